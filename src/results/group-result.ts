/** `GroupResult`: the results of a group's members, in order. Waiting for all of them is one wait. */
import { randomUUID } from 'node:crypto';
import { toPositiveMs } from '../duration.js';
import { CeleriacError, ResultTimeoutError } from '../errors.js';
import { READY, type State, SUCCESS } from '../states.js';
import { currentTask } from '../tasks/context.js';
import {
  AsyncResult,
  type GetOptions,
  leavesNothing,
  ownJsonOf,
  type ResultJson,
  type Update,
} from './async-result.js';
import { type Collected, collect } from './collect.js';
import type { GroupedResult, RelatedJson, TaskResult } from './relations.js';
import type { ResultSource } from './result-source.js';
import type { RevokeOptions, RevokeReply } from './revoke.js';
import { checkFollowOptions, checkGetOptions } from './wait-options.js';
import { WakeUp } from './wake-up.js';

/** One ended member. */
export interface GroupUpdate extends Update {
  /** Its index in the group. */
  readonly index: number;
  readonly id: string;
  readonly result: AsyncResult;
}

/** A group result as JSON; `app.groupResult()` rebuilds it in any process. */
export interface GroupResultJson {
  readonly id: string;
  readonly results: readonly ResultJson[];
  /** The predecessor of the group in its workflow. */
  readonly parent?: RelatedJson;
}

declare module './relations.js' {
  interface GroupedResult extends GroupResult {}
}

/** Prefix of the ids of groups without members. */
const EMPTY = 'empty-group-';

/** The members' results, each with the type of its value. */
type MemberResults<T> = { readonly [K in keyof T]: AsyncResult<T[K]> } & readonly AsyncResult[];

/** Values, or errors in their places. */
type OrErrors<T> = { [K in keyof T]: T[K] | Error };

/** @typeParam T the list of the members' results */
export class GroupResult<T = unknown[]> {
  readonly id: string;
  /** The members' results, in order. */
  readonly results: MemberResults<T>;
  readonly #source: ResultSource | undefined;
  readonly #whole: AsyncResult<T> | undefined;
  readonly #madeBy: (() => TaskResult | GroupedResult | undefined) | undefined;
  #parent: TaskResult | GroupedResult | undefined;

  constructor(
    source: ResultSource | undefined,
    id: string,
    results: readonly AsyncResult[],
    parent?: () => TaskResult | GroupedResult | undefined,
  ) {
    this.id = id;
    this.results = Object.freeze([...results]) as unknown as MemberResults<T>;
    this.#madeBy = parent;
    this.#source = source;
    this.#whole =
      source === undefined ? undefined : new AsyncResult<T>(source, id, { ref: { queue: '', id } });
  }

  /** The result of a group without members. The broker need not know the group: its id says that it is empty. */
  static empty(id = `${EMPTY}${randomUUID()}`): GroupResult<never[]> {
    return new GroupResult<never[]>(undefined, id, []);
  }

  /**
   * Any results as one, to wait for them, revoke and forget them together (Celery: `ResultSet`). The broker does not know
   * of it: `app.groupResult()` does not find its id.
   */
  static of<R>(results: Iterable<AsyncResult<R>>): GroupResult<R[]> {
    return new GroupResult<R[]>(undefined, `results-${randomUUID()}`, [...results]);
  }

  /** True for the id of a group without members. */
  static isEmpty(id: string): boolean {
    return id.startsWith(EMPTY);
  }

  /** The predecessor of the group, when the group is a step of a chain. */
  get parent(): TaskResult | GroupedResult | undefined {
    this.#parent ??= this.#madeBy?.();
    return this.#parent;
  }

  get length(): number {
    return this.results.length;
  }

  /**
   * Waits for all members and returns their values in order.
   * @throws {TaskFailedError} as soon as a member failed; with `propagate: false` errors are returned among the
   *   values
   * @throws {ResultTimeoutError} `timeout` ran out; with 0, no member has failed and some have not ended
   */
  get(options?: GetOptions & { propagate?: true }): Promise<T>;
  get(options: GetOptions): Promise<OrErrors<T>>;
  async get(options: GetOptions = {}): Promise<T | OrErrors<T>> {
    checkGetOptions(options);
    if (currentTask() !== undefined && options.allowJoin !== true) {
      throw new CeleriacError(
        `get() on group "${this.id}" inside a running task: the worker could wait for itself. Let a chord's body take ` +
          'the results, or pass { allowJoin: true } if another worker is sure to run them.',
      );
    }
    if (this.results.length === 0) return [] as T;
    if (options.timeout !== undefined && toPositiveMs(options.timeout, 'get(): timeout') === 0)
      return this.#look(options);
    // Members that leave no result are not waited for; their values are undefined.
    const isOne = options.propagate !== false && !this.results.some(leavesNothing);
    if (this.#whole !== undefined && isOne) return this.#whole.get({ ...options, propagate: true });
    return (await Promise.all(this.results.map((result) => result.get(options)))) as T;
  }

  /** Looks at all members once: a failed one counts before those that have not ended. */
  async #look(options: GetOptions): Promise<T> {
    const looks = await Promise.allSettled(this.results.map((result) => result.get(options)));
    const missed = looks.filter((look) => look.status === 'rejected').map(({ reason }): unknown => reason);
    const failure = missed.find((reason) => !(reason instanceof ResultTimeoutError));
    if (failure !== undefined) throw failure;
    if (missed.length > 0) throw new ResultTimeoutError(this.id, 0);
    return looks.map((look) => (look.status === 'fulfilled' ? look.value : undefined)) as T;
  }

  /** The members, in order. */
  [Symbol.iterator](): IterableIterator<MemberResults<T>[number]> {
    return this.results[Symbol.iterator]() as IterableIterator<MemberResults<T>[number]>;
  }

  /** The members as they end: the same as {@link updates} (Celery: `iterate`, `iter_native`). */
  [Symbol.asyncIterator](): AsyncGenerator<GroupUpdate, void, void> {
    return this.updates();
  }

  /** True once all members have ended. */
  async ready(): Promise<boolean> {
    return (await this.#states()).every((state) => READY.has(state));
  }

  /** True if all members succeeded. */
  async successful(): Promise<boolean> {
    return (await this.#states()).every((state) => state === SUCCESS);
  }

  /** True if a member failed or was revoked. */
  async failed(): Promise<boolean> {
    return (await this.#states()).some((state) => READY.has(state) && state !== SUCCESS);
  }

  /** True while a member has not ended. */
  async waiting(): Promise<boolean> {
    return !(await this.ready());
  }

  /** The error of the first member, in order, that failed or was revoked; does not wait (Celery: `maybe_throw`). */
  async firstError(): Promise<Error | undefined> {
    const snapshots = await Promise.all(this.results.map((result) => result.snapshot()));
    return snapshots.find(({ state, error }) => error !== undefined && READY.has(state))?.error;
  }

  /** Number of members that succeeded. */
  async completedCount(): Promise<number> {
    return (await this.#states()).filter((state) => state === SUCCESS).length;
  }

  /** The members as they end. Members that ended together come in their order. */
  async *updates(options: { signal?: AbortSignal } = {}): AsyncGenerator<GroupUpdate, void, void> {
    checkFollowOptions(options, 'updates()');
    options.signal?.throwIfAborted();
    const left = new AbortController();
    const wakeUp = new WakeUp();
    const ended: GroupUpdate[] = [];
    let trouble: { readonly error: unknown } | undefined;
    for (const [index, result] of this.results.entries()) {
      this.#endOf(result, index, left.signal).then(
        (update) => {
          ended.push(update);
          wakeUp.wake();
        },
        (error: unknown) => {
          trouble ??= { error };
          wakeUp.wake();
        },
      );
    }
    try {
      for (let yielded = 0; yielded < this.results.length; ) {
        await wakeUp.wait(undefined, options.signal);
        for (; yielded < ended.length; yielded++) yield ended[yielded] as GroupUpdate;
        if (trouble !== undefined) throw trouble.error;
      }
    } finally {
      left.abort(new CeleriacError('The updates of this group are not followed any more.'));
    }
  }

  async #endOf(result: AsyncResult, index: number, signal: AbortSignal): Promise<GroupUpdate> {
    await result.get({ propagate: false, allowJoin: true, signal });
    const look = () => result.snapshot();
    let end: Update = await (this.#source?.feed.patiently(look, signal) ?? look());
    // A member that leaves no result was not waited for.
    if (!READY.has(end.state)) for await (const update of result.updates({ signal })) end = update;
    const { state, meta } = end;
    return { state, meta, index, id: result.id, result };
  }

  /** Waits for the group, its members and what begins after them, down the tree, with their values. */
  collect(options: GetOptions = {}): AsyncGenerator<Collected, void, void> {
    checkGetOptions(options);
    return collect(this as unknown as GroupedResult, options);
  }

  /** Revokes every member that has not ended. */
  async revoke(options: RevokeOptions = {}): Promise<RevokeReply> {
    if (this.#whole !== undefined) return this.#whole.revoke(options);
    const replies = await Promise.all(this.results.map((result) => result.revoke(options)));
    return replies.find(({ found }) => found) ?? { found: false, was: undefined };
  }

  /** Drops the members' records now, or when they end. */
  async forget(): Promise<void> {
    if (this.#whole !== undefined) return this.#whole.forget();
    await Promise.all(this.results.map((result) => result.forget()));
  }

  toJSON(): GroupResultJson {
    const { parent } = this;
    return {
      id: this.id,
      // The predecessor is written once, for the group.
      results: this.results.map(ownJsonOf),
      ...(parent !== undefined && { parent: parent.toJSON() }),
    };
  }

  async #states(): Promise<State[]> {
    return Promise.all(this.results.map((result) => result.status));
  }
}
