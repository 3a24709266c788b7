/**
 * Calls with a `unique` option: claims the key and sends, or deals with the task that holds the key, as the mode
 * says.
 */
import { createHash } from 'node:crypto';
import type { Engine } from '../broker/broker.js';
import type { BrokerClock } from '../broker/clock.js';
import { keepAliveDuring } from '../broker/keep-alive.js';
import { untilAnswered } from '../broker/until-answered.js';
import { LONGEST_LIFE_MS } from '../coordination/claims.js';
import type { TaskLookup, TaskRecord } from '../coordination/task-record.js';
import { type KeyHolder, releaseKey, type Standing, UniqueKeys } from '../coordination/unique-keys.js';
import { DuplicateTaskError, isCeleriacError } from '../errors.js';
import type { ResolvedCall } from '../options/call-options.js';
import type { UniquePolicy } from '../options/limits.js';
import { readMessage } from '../protocol/message.js';
import type { Envelope } from '../queue/producer.js';
import { revokeTask } from '../results/revoke.js';
import { stateOf } from '../results/snapshot.js';
import { PENDING, READY } from '../states.js';
import type { CallTarget } from '../tasks/registry.js';
import { hides } from '../tasks/shown-arguments.js';

/** What makes a call unique. */
export interface UniqueCall {
  /** The task's name. */
  readonly name: string;
  /** Name of the key's record. */
  readonly key: string;
  readonly policy: UniquePolicy;
}

/** What must be known about a task whose key is claimed. */
type Sent = Pick<Envelope, 'taskId' | 'queue' | 'jobId'> & Partial<Pick<Envelope, 'delayMs'>>;

/** Keys longer than this are stored as a digest. */
const LONGEST_PLAIN = 200;

/**
 * Name of the record for a task's key. Without a key of its own, a call is identified by its encoded arguments.
 * @param hidden the key may say something of arguments that are shown nowhere
 */
function uniqueKey(name: string, own: string | undefined, packedArgs: string, hidden: boolean): string {
  const key = own ?? packedArgs;
  const plain = !hidden && key.length <= LONGEST_PLAIN;
  const kept = plain ? key : createHash('sha256').update(key).digest('hex');
  return `unique:${JSON.stringify([name, own === undefined ? 'args' : 'key', kept])}`;
}

/** The inputs of a call's key. */
export interface KeyedCall {
  readonly target: CallTarget;
  readonly args: readonly unknown[];
  /** The encoded arguments. */
  readonly packed: string;
}

/** The call's key, if the call or its task is unique. */
export function uniqueCall({ target, args, packed }: KeyedCall, call: ResolvedCall): UniqueCall | undefined {
  const policy = call.unique === undefined ? target.publish.unique : call.unique;
  if (policy === undefined || policy === null) return undefined;
  const hidden = call.sensitive === true || hides(target);
  return { name: target.name, key: uniqueKey(target.name, policy.key?.(args), packed, hidden), policy };
}

export class UniqueCalls {
  readonly #keys: UniqueKeys;

  constructor(
    private readonly engine: Engine,
    private readonly tasks: TaskLookup,
    private readonly clock: BrokerClock,
    private readonly publishRetryMs: number,
  ) {
    this.#keys = new UniqueKeys(engine, tasks, clock, (task) => standing(task, clock.now()), publishRetryMs);
  }

  /**
   * Sends a task under its key.
   * @returns the task that holds the key, in mode `return`, with nothing sent
   * @throws {DuplicateTaskError} naming the task that holds the key
   */
  async send(call: UniqueCall, envelope: Sent, deliver: () => Promise<void>): Promise<KeyHolder | undefined> {
    return keepAliveDuring(this.engine, async () => {
      const holder = await this.#claim(call, envelope);
      if (holder === undefined) await this.#deliver(call, envelope, deliver);
      return holder;
    });
  }

  /**
   * Claims a key again, for a task that is to run once more.
   * @returns the live task that holds the key now
   */
  takeAgain(key: string, mine: KeyHolder): Promise<KeyHolder | undefined> {
    return this.#keys.claim(key, mine, undefined);
  }

  /**
   * Looks whether a call could be sent under its key just now, without claiming it.
   * @returns the task that holds the key, in mode `return`
   * @throws {DuplicateTaskError} naming the task that holds the key, in mode `reject`
   */
  async look(call: UniqueCall): Promise<KeyHolder | undefined> {
    if (call.policy.mode === 'replace') return undefined;
    const holder = await this.#keys.holder(call.key);
    if (holder !== undefined && call.policy.mode === 'reject') throw duplicate(call, holder);
    return holder;
  }

  async #claim(
    call: UniqueCall,
    { taskId, queue, jobId, delayMs = 0 }: Sent,
  ): Promise<KeyHolder | undefined> {
    const ttlMs = call.policy.ttlMs ?? LONGEST_LIFE_MS + delayMs;
    for (;;) {
      const mine = { taskId, job: { queue, id: jobId }, at: this.clock.now() };
      const holder = await untilAnswered(this.publishRetryMs, () => this.#keys.claim(call.key, mine, ttlMs));
      if (holder === undefined || call.policy.mode === 'return') return holder;
      if (call.policy.mode === 'reject' || !(await this.#revoke(holder, call))) throw duplicate(call, holder);
    }
  }

  async #deliver(
    call: UniqueCall,
    { taskId }: Pick<Envelope, 'taskId'>,
    deliver: () => Promise<void>,
  ): Promise<void> {
    try {
      await deliver();
    } catch (error) {
      // If the broker was unreachable the task may have arrived all the same, so its key must stay. If the task did
      // not arrive, the key is found abandoned.
      if (!isCeleriacError(error, 'BROKER_UNAVAILABLE'))
        await releaseKey(this.engine, call.key, taskId).catch(() => undefined); // it is found abandoned
      throw error;
    }
  }

  /** `false` when the task has started. */
  async #revoke(holder: KeyHolder, { name }: UniqueCall): Promise<boolean> {
    const reason = `it was replaced by a newer call of ${name}`;
    const { engine, tasks, clock } = this;
    const [task] = await tasks.read([holder.job]);
    const state = task === undefined ? PENDING : stateOf(task, readMessage(task.data), clock.now());
    // Between its retries, and while it waits, it is in no worker's hands, so a revocation would end it.
    if (state !== PENDING && !READY.has(state)) return false;
    const ground = { engine, tasks, clock };
    const { found, was } = await revokeTask(ground, holder.job, { reason }, async () => undefined);
    return found ? was === PENDING || (was !== undefined && READY.has(was)) : false;
  }
}

function standing(job: TaskRecord, now: number): Standing {
  const message = readMessage(job.data);
  if (READY.has(stateOf(job, message, now))) return 'no';
  // A worker has fetched it: most likely to end it, unless it ran before the revocation.
  return job.running && message.revoked !== undefined ? 'unknown' : 'yes';
}

function duplicate({ name, policy }: UniqueCall, holder: KeyHolder): DuplicateTaskError {
  const started = policy.mode === 'replace' ? ' has started and' : '';
  return new DuplicateTaskError(
    `${name} is unique, and the task "${holder.taskId}"${started} holds the key of this call until it has ended. ` +
      "Read it with app.result(error.taskId), or use unique: { mode: 'return' }.",
    holder.taskId,
  );
}
