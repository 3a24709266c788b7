/**
 * A process that knows an app by its broker alone, and is asked what it finds: told `{ ask, of, group?, what, options? }` it
 * takes the result from its id or JSON, does `what` with it, and says what came of it. Errors are told as their classes
 * and messages.
 */
import { AsyncResult, Celeriac, GroupResult, type ResultJson } from 'celeriac';

interface Question {
  readonly ask: number;
  readonly of: string | ResultJson;
  /** It is the result of a group. */
  readonly group?: boolean;
  /** A property, or a method; `a.b` of a property's. */
  readonly what: string;
  readonly options?: object;
}

const [broker = '', prefix = ''] = process.argv.slice(2);
const app = new Celeriac('reader', { broker, prefix, publishRetry: '20s' });

process.on('message', (question: Question) => void answer(question));
process.on('disconnect', () => process.exit());
process.send?.({ up: true });

async function answer({ ask, of, group, what, options }: Question): Promise<void> {
  try {
    const result = group ? await app.groupResult(of as string) : app.result(of);
    process.send?.({ ask, gave: plain(await found(result, what.split('.'), options)) });
  } catch (error) {
    process.send?.({ ask, threw: plain(error) });
  }
}

async function found(from: unknown, [name = '', ...others]: string[], options?: object): Promise<unknown> {
  const member: unknown = (from as Record<string, unknown>)[name];
  const value: unknown = typeof member === 'function' ? member.call(from, options) : member;
  if (isStream(value)) {
    const all: unknown[] = [];
    for await (const each of value) all.push(each);
    return all;
  }
  return others.length === 0 ? value : found(await value, others, options);
}

function isStream(value: unknown): value is AsyncIterable<unknown> {
  if (value instanceof GroupResult) return false; // its members are asked for by name
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}

/** As it can be sent: what has no JSON is named. */
function plain(value: unknown): unknown {
  if (value === undefined) return { undefined: true };
  if (value instanceof Date) return { date: value.getTime() };
  if (value instanceof Error) {
    const { message, cause } = value;
    return { error: value.constructor.name, message, ...(cause !== undefined && { cause: plain(cause) }) };
  }
  if (value instanceof AsyncResult) return { task: value.id };
  if (value instanceof GroupResult) return { group: value.id, of: value.results.map(({ id }) => id) };
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each)]));
}
