/**
 * Members that running tasks add to their groups. Each member is written to the record before it is sent; from then
 * on the group waits for it.
 */
import { LRUCache } from 'lru-cache';
import type { Engine } from '../../broker/broker.js';
import type { TaskIdIndex } from '../../coordination/task-id-index.js';
import { CeleriacError } from '../../errors.js';
import { customIds, nodeAt, type Plan, type PlanNode, type Start, starts } from './plan.js';
import type { PlanCache } from './plan-cache.js';
import { addedField, extraField } from './record.js';

/** Most members read at a time. */
const BATCH = 500;

export interface AddedMembersParams {
  readonly engine: Engine;
  readonly plans: PlanCache;
  readonly index: TaskIdIndex;
  /** Sends these parts; repeating it changes nothing. */
  begin(flow: string, plan: Plan, begun: readonly Start[]): Promise<unknown>;
}

/** The address of a group. */
export interface GroupAddress {
  readonly flow: string;
  readonly path: string;
}

/** The stored form of an added member. */
interface AddedMember {
  /** The addition that made it, by task and number. */
  readonly by: string;
  readonly node: PlanNode;
}

/** The position of this process's last write to a group. */
interface Queue {
  next: number;
  /** Resolves when the previous addition has been written. */
  last: Promise<unknown>;
}

/** Most groups and runs remembered; for others the positions are read again. */
const REMEMBERED = 1_000;

export class AddedMembers {
  /** By group: without a queue, concurrent additions would collide at each position in turn. */
  readonly #queues = new LRUCache<string, Queue>({ max: REMEMBERED });
  /** By run of a task that has run before: the positions of its earlier additions. */
  readonly #earlier = new LRUCache<string, Promise<ReadonlyMap<string, number>>>({ max: REMEMBERED });

  constructor(private readonly params: AddedMembersParams) {}

  /**
   * Adds a member, once per addition of a task.
   * @param run identifies this run of a task that has run before, and may have added the member then
   */
  async add(
    { flow, path: group }: GroupAddress,
    plan: Plan,
    member: AddedMember,
    run: string | undefined,
  ): Promise<void> {
    const around = nodeAt(plan, group);
    if (around?.kind !== 'group')
      throw new CeleriacError(`The part "${group}" of workflow ${flow} is no group.`);
    const { index: ids } = this.params;
    for (const { id } of customIds(flow, member.node, group)) await ids.refuseOther(id, flow);
    const before = run === undefined ? undefined : await this.#before(flow, group, run);
    const ordinal =
      before?.get(member.by) ??
      (await this.#inTurn(flow, group, (queue) => this.#write(flow, group, member, queue)));
    if (ordinal === undefined) return;
    await this.#send(flow, plan, { group, index: around.members.length + ordinal, node: member.node });
  }

  /**
   * Writes the member behind the existing ones.
   * @returns its position; `undefined` when the workflow is revoked or no longer kept
   */
  async #write(flow: string, group: string, member: AddedMember, queue: Queue): Promise<number | undefined> {
    const value = JSON.stringify(member);
    for (;;) {
      const ordinal = queue.next;
      const field = addedField(group, ordinal);
      const written = await this.params.engine.flows.write(flow, [
        { field, value, counter: extraField(group) },
      ]);
      const row = written?.rows[0];
      if (row === undefined || written?.revoked !== undefined) return undefined;
      // Position taken: the counter shows where the next free one is.
      queue.next = Math.max(ordinal + 1, row.count);
      if (row.before === undefined || byOf(row.before) === member.by) return ordinal;
    }
  }

  /** Positions of what earlier runs of the task added, by addition. */
  #before(flow: string, group: string, run: string): Promise<ReadonlyMap<string, number>> {
    const known = this.#earlier.get(run) ?? this.#placesIn(flow, group);
    this.#earlier.set(run, known);
    known.catch(() => this.#earlier.delete(run));
    return known;
  }

  async #placesIn(flow: string, group: string): Promise<ReadonlyMap<string, number>> {
    const places = new Map<string, number>();
    for await (const { ordinal, member } of this.#written(flow, group)) places.set(member.by, ordinal);
    return places;
  }

  /** All members added to a group so far, in batches. */
  async *#written(flow: string, group: string): AsyncGenerator<{ ordinal: number; member: AddedMember }> {
    const { flows } = this.params.engine;
    const [[count] = []] = await flows.read([{ flow, fields: [extraField(group)] }]);
    for (let first = 0; first < Number(count ?? 0); first += BATCH) {
      const length = Math.min(BATCH, Number(count) - first);
      const fields = Array.from({ length }, (_, i) => addedField(group, first + i));
      const [texts = []] = await flows.read([{ flow, fields }]);
      for (const [i, text] of texts.entries())
        if (text !== undefined) yield { ordinal: first + i, member: JSON.parse(text) as AddedMember };
    }
  }

  #inTurn<R>(flow: string, group: string, body: (queue: Queue) => Promise<R>): Promise<R> {
    const key = `${flow}.${group}`;
    const queue = this.#queues.get(key) ?? { next: 0, last: Promise.resolve() };
    this.#queues.set(key, queue);
    const mine = queue.last.then(() => body(queue));
    queue.last = mine.catch(() => undefined); // the caller that added it gets the error
    return mine;
  }

  /**
   * Sends the additions of a task's earlier runs again: a run may have died between write and send, and this one may
   * have added fewer.
   * @param adder the task's job id
   */
  async sendAgain({ flow, path: group }: GroupAddress, plan: Plan, adder: string): Promise<void> {
    const around = nodeAt(plan, group);
    // A message may name something that is no group: nothing was added there, and the end of the task must not fail.
    if (around?.kind !== 'group') return;
    for await (const { ordinal, member } of this.#written(flow, group)) {
      const index = around.members.length + ordinal;
      if (member.by.startsWith(`${adder} `))
        await this.#send(flow, plan, { group, index, node: member.node });
    }
  }

  async #send(flow: string, plan: Plan, { group, index, node }: InsertionPoint): Promise<void> {
    const { plans, index: ids, begin } = this.params;
    const path = `${group}.${index}`;
    plans.added(flow, path, node, JSON.stringify(node).length);
    for (const { id, queue, jobId } of customIds(flow, node, path)) await ids.enter(id, queue, jobId);
    await begin(flow, (await plans.upTo(flow, path)) ?? plan, starts(node, path, { path: group, index }));
  }
}

function byOf(text: string): string {
  return (JSON.parse(text) as AddedMember).by;
}

interface InsertionPoint {
  readonly group: string;
  readonly index: number;
  readonly node: PlanNode;
}
