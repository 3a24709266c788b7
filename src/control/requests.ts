/**
 * Validates messages from the bus before they are used: any client of the broker can write there. A request with
 * invalid values is answered with an error, just as an invalid call of `app.control` throws.
 */
import { OptionError } from '../errors.js';
import { checkQueueName, checkTaskName } from '../options/checks.js';
import { LOG_LEVELS } from '../options/logger.js';
import { toRate } from '../options/rates.js';
import { show } from '../show.js';
import type { CommandName, CommandReply, CommandRequest, Commands } from './commands.js';

type RawRequest = Readonly<Record<string, unknown>>;
type Readers = { readonly [C in CommandName]: (given: RawRequest) => Commands[C]['args'] };

/** The envelope of a request; undefined for anything else, since there is no sender to answer. */
export function readRequest(data: unknown): CommandRequest | undefined {
  if (!isObject(data)) return undefined;
  const { id, command, args, replyTo } = data;
  if (typeof id !== 'string' || typeof replyTo !== 'string' || typeof command !== 'string') return undefined;
  return { id, command, replyTo, args: isObject(args) ? args : {} };
}

/** The envelope of a reply; undefined for anything else. */
export function readReply(data: unknown): CommandReply | undefined {
  if (!isObject(data)) return undefined;
  const { id, node, reply } = data;
  return typeof id === 'string' && typeof node === 'string' ? { id, node, reply } : undefined;
}

/**
 * The arguments of a command, without any other fields.
 * @throws {OptionError} naming the invalid value
 */
export function readArgs<C extends CommandName>(command: C, given: RawRequest): Commands[C]['args'] {
  return READERS[command](given);
}

/** How long callers wait by default, ms. */
const DEFAULT_TIMEOUT_MS = 1000;

const READERS: Readers = {
  ping: none,
  active: none,
  scheduled: none,
  reserved: none,
  registered: none,
  stats: none,
  activeQueues: none,
  conf: none,
  report: none,
  revoked: none,
  shutdown: none,
  forget: (given) => ({ jobIds: texts(given, 'jobIds') }),
  queryTask: (given) => ({ ids: texts(given, 'ids') }),
  poolGrow: (given) => ({ n: count(given, 'n', 1) }),
  poolShrink: (given) => ({ n: count(given, 'n', 1) }),
  autoscale: (given) => {
    const range = { max: count(given, 'max', 1), min: count(given, 'min', 0) };
    if (range.min > range.max) throw new OptionError(`min ${range.min} is above max ${range.max}`);
    return range;
  },
  addConsumer: (given) => ({
    queue: queueOf(given),
    ...(given.concurrency !== undefined && { concurrency: count(given, 'concurrency', 1) }),
  }),
  cancelConsumer: (given) => ({ queue: queueOf(given) }),
  pause: (given) => ({ queue: queueOf(given), known: given.known === true }),
  resume: (given) => ({ queue: queueOf(given), known: given.known === true }),
  rateLimit: (given) => {
    const { rate } = given;
    if (rate !== null) toRate(rate as string, 'rate');
    return { task: taskOf(given), rate: rate as string | null };
  },
  timeLimit: (given) => ({ task: taskOf(given), ...limit(given, 'softMs'), ...limit(given, 'hardMs') }),
  loglevel: ({ level }) => {
    const known = LOG_LEVELS.find((one) => one === level);
    if (known === undefined)
      throw new OptionError(`level ${show(level)} is none of ${LOG_LEVELS.join(', ')}`);
    return { level: known };
  },
  revoke: (given) => ({
    jobIds: texts(given, 'jobIds'),
    ...(typeof given.reason === 'string' && { reason: given.reason }),
  }),
  own: ({ name, args, timeoutMs }) => {
    if (typeof name !== 'string') throw new OptionError(`name ${show(name)} must be a text`);
    const isTime = typeof timeoutMs === 'number' && timeoutMs > 0;
    return { name, args, timeoutMs: isTime ? timeoutMs : DEFAULT_TIMEOUT_MS };
  },
};

/** The names of celeriac's own commands. */
export const BUILT_IN_COMMANDS: readonly string[] = Object.keys(READERS).filter((name) => name !== 'own');

function none(): Record<never, never> {
  return {};
}

function count(given: RawRequest, name: string, least: number): number {
  const value = given[name];
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least) return value;
  throw new OptionError(`${name} ${show(value)} must be a whole number of ${least} or more`);
}

function texts(given: RawRequest, name: string): readonly string[] {
  const value = given[name];
  if (Array.isArray(value) && value.every((item): item is string => typeof item === 'string')) return value;
  throw new OptionError(`${name} ${show(value)} must be a list of texts`);
}

function queueOf({ queue }: RawRequest): string {
  checkQueueName(queue, 'queue');
  return queue;
}

function taskOf({ task }: RawRequest): string {
  checkTaskName(task, 'task');
  return task;
}

/** In ms; `null` for none, absent to keep the limit. */
function limit<N extends string>(given: RawRequest, name: N): { [K in N]?: number | null } {
  const value = given[name];
  if (value === undefined) return {};
  if (value === null || (typeof value === 'number' && Number.isFinite(value) && value > 0))
    return { [name]: value } as { [K in N]?: number | null };
  throw new OptionError(`${name} ${show(value)} must be a number of milliseconds above 0, or null`);
}

function isObject(value: unknown): value is RawRequest {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
