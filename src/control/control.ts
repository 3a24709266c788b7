/**
 * `app.control`: changes running workers. Values are checked here before anything is sent; the failure of a node is
 * returned as its `{ error }`.
 */
import { LARGEST_MESSAGE } from '../broker/bus.js';
import type { Duration } from '../duration.js';
import { OptionError, PayloadTooLargeError } from '../errors.js';
import { checkLimits, checkQueueName, checkTaskName, optionalMs } from '../options/checks.js';
import { type LogLevel, parseLogLevel } from '../options/logger.js';
import { checkNames } from '../options/names.js';
import { checkDeclared, type DeclaredQueues } from '../options/queues.js';
import { type Rate, type RateLimit, toRate } from '../options/rates.js';
import { tagsOf } from '../options/tags.js';
import type { RevokeOptions } from '../results/revoke.js';
import { show } from '../show.js';
import { type Asking, type AskOptions, checkAsk } from './caller.js';
import { isErrorReply, NO_ANSWER, type Replies } from './commands.js';
import { checkCommandName, decodeCommandReply, encodeCommandArgs } from './own-commands.js';
import type { Queues } from './queues.js';
import { BUILT_IN_COMMANDS } from './requests.js';

/** The largest arguments of a command of the app's own, bytes: with what travels beside them, one message of the bus. */
const MOST_ARGS = LARGEST_MESSAGE - 1024;

type Done = Promise<Replies<{ ok: string }>>;

/** The lasting changes that control writes to the broker before it asks workers. */
export interface ControlWrites {
  readonly queues: Queues;
  /** Marks tasks as revoked; returns the job ids of the running ones. */
  revokeAll(ids: readonly string[], options: { reason?: string }): Promise<string[]>;
  /** The ids of the tasks with a tag that have not ended, look by look: see `taggedTasks`. */
  tagged(tag: string): AsyncIterable<readonly string[]>;
  /** Sets the rate of a task for the whole fleet. */
  setRate(task: string, rate: Rate | null): Promise<void>;
}

/** All tasks with a tag that have not ended. */
export interface TagFilter {
  readonly tag: string;
}

export class Control {
  constructor(
    private readonly caller: Asking,
    private readonly writes: ControlWrites,
    /** The queues that workers may take from; undefined: any. */
    private readonly declared?: DeclaredQueues,
  ) {}

  /** `'pong'` from each worker. */
  ping(options: AskOptions = {}): Promise<Replies<'pong'>> {
    return this.#ask('ping', {}, options);
  }

  /** Adds `n` shared slots on each worker (Celery: `pool_grow`). Lasts until the worker restarts. */
  async poolGrow(n = 1, options: AskOptions = {}): Done {
    return this.#ask('poolGrow', { n: count(n, 'poolGrow') }, options);
  }

  /** Removes `n` shared slots on each worker; running tasks finish. */
  async poolShrink(n = 1, options: AskOptions = {}): Done {
    return this.#ask('poolShrink', { n: count(n, 'poolShrink') }, options);
  }

  /**
   * Lets the shared slots of each worker grow with the load, up to `max`, and shrink to `min` without load (Celery:
   * `autoscale`; here it can also be switched on). `autoscale(4, 4)` fixes the number. Lasts until the worker
   * restarts.
   */
  async autoscale(max: number, min = 0, options: AskOptions = {}): Done {
    count(max, 'autoscale: max');
    if (min !== 0) count(min, 'autoscale: min');
    if (min > max) throw new OptionError(`control.autoscale: min ${min} is above max ${max}.`);
    return this.#ask('autoscale', { max, min }, options);
  }

  /**
   * Makes workers consume a queue. With `concurrency` the queue gets that many slots of its own at once, also if it
   * was consumed on the shared slots before.
   */
  async addConsumer(queue: string, options: AskOptions & { concurrency?: number } = {}): Done {
    const { concurrency, ...rest } = options;
    checkQueueName(queue, 'control.addConsumer');
    checkDeclared(this.declared, queue, 'control.addConsumer');
    const args =
      concurrency === undefined
        ? { queue }
        : { queue, concurrency: count(concurrency, 'addConsumer: concurrency') };
    return this.#ask('addConsumer', args, rest);
  }

  /** Makes workers stop consuming a queue; running tasks finish. */
  async cancelConsumer(queue: string, options: AskOptions = {}): Done {
    checkQueueName(queue, 'control.cancelConsumer');
    return this.#ask('cancelConsumer', { queue }, options);
  }

  /**
   * Revokes tasks by id, or all with a tag that have not ended (Celery: `revoke_by_stamped_headers`; what is sent with
   * the tag later runs). A task that has not started never will, with or without a worker. With `terminate` running
   * tasks end too; the replies are those of the workers asked.
   * @example await app.control.revoke({ tag: 'tenant:42' }, { reason: 'moved away' })
   */
  async revoke(
    which: string | readonly string[] | TagFilter,
    options: AskOptions & RevokeOptions = {},
  ): Done {
    const { terminate = false, reason, ...ask } = options;
    checkOptions(options, 'control.revoke', ['terminate', 'reason']);
    const revocation = { ...(reason !== undefined && { reason }) };
    if (isTagFilter(which)) {
      const refs = await this.#revokeTagged(tagIn(which), revocation);
      return this.#ask('revoke', { jobIds: terminate ? refs : [], ...revocation }, ask);
    }
    const ids = which;
    const list = typeof ids === 'string' ? [ids] : ids;
    if (!Array.isArray(list))
      throw new OptionError(`control.revoke: give a task id or a list of such, not ${show(ids)}.`);
    for (const id of list) {
      if (typeof id !== 'string' || id === '')
        throw new OptionError(`control.revoke: ${show(id)} is not a task id.`);
    }
    const refs = await this.writes.revokeAll(list, revocation);
    return this.#ask('revoke', { jobIds: terminate ? refs : [], ...revocation }, ask);
  }

  async #revokeTagged(tag: string, revocation: { reason?: string }): Promise<string[]> {
    const refs: string[] = [];
    for await (const ids of this.writes.tagged(tag))
      refs.push(...(await this.writes.revokeAll(ids, revocation)));
    return refs;
  }

  /**
   * Changes the rate of a task in the whole fleet at once; `null` lifts it. It holds until the task's code sets
   * another rate, also for workers that start later (Celery's `rate_limit` is forgotten). If no running worker has
   * the task, the name is refused and nothing changes.
   * @example await app.control.rateLimit('send_mail', '100/m')
   */
  async rateLimit(task: string, rate: RateLimit | null, options: AskOptions = {}): Done {
    if (typeof task !== 'string' || task === '')
      throw new OptionError(`control.rateLimit: ${String(task)} is not a task name.`);
    const read = rate === null ? null : toRate(rate, 'control.rateLimit');
    checkOptions(options, 'control.rateLimit');
    const { destination: _, ...anywhere } = options;
    const registered = answersOf(await this.caller.ask('registered', {}, anywhere));
    const misspelt = registered.length > 0 && !registered.some((names) => names.includes(task));
    if (!misspelt) await this.writes.setRate(task, read);
    return this.#ask('rateLimit', { task, rate }, options);
  }

  /**
   * Changes a task's time limits on each worker, for later calls that bring none of their own. `null` means no limit;
   * an omitted limit stays. Lasts until the worker restarts (Celery: `time_limit`).
   * @throws {OptionError} for invalid values, or when neither limit is given
   * @example await app.control.timeLimit('render', '30s', '1m')
   */
  async timeLimit(
    task: string,
    soft?: Duration | null,
    hard?: Duration | null,
    options: AskOptions = {},
  ): Done {
    checkTaskName(task, 'control.timeLimit');
    if (soft === undefined && hard === undefined)
      throw new OptionError(`control.timeLimit: neither a soft nor a hard limit is given for "${task}".`);
    const softMs = soft === null ? null : optionalMs(soft, 'control.timeLimit: soft');
    const hardMs = hard === null ? null : optionalMs(hard, 'control.timeLimit: hard');
    checkLimits(softMs ?? undefined, hardMs ?? undefined, 'control.timeLimit');
    const given = { ...(softMs !== undefined && { softMs }), ...(hardMs !== undefined && { hardMs }) };
    return this.#ask('timeLimit', { task, ...given }, options);
  }

  /** Changes how much each worker logs: `debug`, `info`, `warn` or `error`. Lasts until the worker restarts. */
  async loglevel(level: LogLevel | (string & Record<never, never>), options: AskOptions = {}): Done {
    return this.#ask('loglevel', { level: parseLogLevel(level, 'control.loglevel') }, options);
  }

  /**
   * Pauses a queue in the whole fleet: no task of it starts until `resume`; running tasks finish. It also holds for
   * workers that start later, and shows in `app.queues.list()`.
   */
  async pause(queue: string, options: AskOptions = {}): Done {
    return this.#setPaused('pause', queue, options);
  }

  /** Resumes a paused queue. */
  async resume(queue: string, options: AskOptions = {}): Done {
    return this.#setPaused('resume', queue, options);
  }

  /** As `app.queues.purge`, under its Celery name. @returns the number of dropped tasks */
  async purge(queues?: string | readonly string[]): Promise<number> {
    const dropped = await this.writes.queues.purge(queues);
    return Object.values(dropped).reduce((sum, n) => sum + n, 0);
  }

  /**
   * Runs a command of the app's own on each worker (Celery: `broadcast`): what `app.onCommand` added there. One reply per
   * node: what its handler returned, or `{ error }` if it threw or the node has no such command.
   * @param args plain JSON, `{}` unless given
   * @throws {OptionError} for the name of a command of celeriac
   * @throws {NotSerializableError} with the path of what JSON would change
   * @throws {PayloadTooLargeError} above 4 MB
   * @example await app.control.broadcast('reload', { prices: true }, { timeout: '10s' })
   */
  async broadcast<R = unknown>(
    command: string,
    args?: unknown,
    options: AskOptions = {},
  ): Promise<Replies<R>> {
    const where = 'control.broadcast';
    checkCommandName(command, BUILT_IN_COMMANDS, where);
    checkOptions(options, where);
    const encoded = encodeCommandArgs(args);
    const bytes = Buffer.byteLength(JSON.stringify(encoded));
    if (bytes > MOST_ARGS)
      throw new PayloadTooLargeError(
        `${where}: the arguments of "${command}" take ${bytes} bytes, more than ${MOST_ARGS}.`,
      );
    const { timeoutMs } = checkAsk(options, where);
    const replies = await this.caller.ask('own', { name: command, args: encoded, timeoutMs }, options);
    const decoded = Object.entries(replies).map(([node, reply]) => [node, decodeCommandReply(reply)]);
    return Object.fromEntries(decoded) as Replies<R>;
  }

  /** Shuts workers down warmly: running tasks finish. */
  shutdown(options: AskOptions = {}): Done {
    return this.#ask('shutdown', {}, options);
  }

  async #setPaused(command: 'pause' | 'resume', queue: string, options: AskOptions): Done {
    checkQueueName(queue, `control.${command}`);
    checkOptions(options, `control.${command}`);
    const { queues } = this.writes;
    const known = await queues.isKnown(queue);
    if (known) await queues[command](queue);
    const replies = await this.#ask(command, { queue, known }, options);
    // A name that all nodes refuse is misspelt: it must not become a paused queue.
    if (!known && !refusedByAll(replies)) await queues[command](queue);
    return replies as Replies<{ ok: string }>;
  }

  async #ask<C extends Parameters<Asking['ask']>[0]>(
    command: C,
    args: Parameters<Asking['ask']>[1],
    options: AskOptions,
  ) {
    checkOptions(options, `control.${command}`);
    return this.caller.ask(command, args as never, options);
  }
}

/** Checks the options before anything is written or sent. */
function checkOptions(options: AskOptions, where: string, more: readonly string[] = []): void {
  checkNames(options, ['destination', 'timeout', ...more], where);
  checkAsk(options, where);
}

/** The replies of the nodes that succeeded. */
function answersOf<R>(replies: Replies<R>): R[] {
  return Object.values(replies).filter((reply): reply is R => !isErrorReply(reply));
}

/** True if all answers are refusals; silent nodes do not count. */
function refusedByAll(replies: Replies<unknown>): boolean {
  const answers = Object.values(replies);
  return answers.length > 0 && answers.every((reply) => isErrorReply(reply) && reply.error !== NO_ANSWER);
}

function count(n: unknown, where: string): number {
  if (typeof n === 'number' && Number.isInteger(n) && n >= 1) return n;
  throw new OptionError(`control.${where}: ${String(n)} must be a whole number of 1 or more.`);
}

function isTagFilter(which: unknown): which is TagFilter {
  return typeof which === 'object' && which !== null && !Array.isArray(which) && 'tag' in which;
}

function tagIn(filter: TagFilter): string {
  checkNames(filter, ['tag'], 'control.revoke');
  return tagsOf([filter.tag], 'control.revoke: tag')[0] ?? '';
}
