/** A process that finds results by their id or JSON alone: `test/integration/programs/reader.ts`. */
import type { ResultJson } from 'celeriac';
import { startProgram } from './app.js';

/** What came of a question: a value as it can be sent, or the class and message of an error. */
export interface Answer {
  readonly ask: number;
  readonly gave?: unknown;
  readonly threw?: { readonly error: string; readonly message: string; readonly cause?: unknown };
}

export interface Reader {
  /** A property or method of the result; `options` go to the method. */
  ask(of: string | ResultJson, what: string, options?: object): Promise<Answer>;
  /** The same of a group. */
  askGroup(of: string | object, what: string, options?: object): Promise<Answer>;
}

export async function startReader(
  t: Parameters<typeof startProgram>[0],
  url: string,
  prefix: string,
): Promise<Reader> {
  const file = new URL('../integration/programs/reader.js', import.meta.url);
  const program = startProgram(t, file, [url, prefix]);
  await program.message<object>((message) => 'up' in message);
  let asked = 0;
  const ask = (question: object): Promise<Answer> => {
    const ask = ++asked;
    program.send({ ask, ...question });
    return program.message<Answer>((message) => message.ask === ask, 60_000);
  };
  return {
    ask: (of, what, options) => ask({ of, what, options }),
    askGroup: (of, what, options) => ask({ of, what, options, group: true }),
  };
}
