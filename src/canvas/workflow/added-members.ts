/**
 * Members that running tasks add to their groups. Each is written into the record before it is sent, and from then on the
 * group waits for it.
 */
import { LRUCache } from 'lru-cache';
import type { Engine } from '../../broker/broker.js';
import type { TaskIdIndex } from '../../coordination/task-id-index.js';
import { CeleriacError } from '../../errors.js';
import { customIds, nodeAt, type Plan, type PlanNode, type Start, starts } from './plan.js';
import type { PlanCache } from './plan-cache.js';
import { addedField, extraField } from './record.js';

/** So many are read at a time. */
const BATCH = 500;

export interface AddedMembersParams {
  readonly engine: Engine;
  readonly plans: PlanCache;
  readonly index: TaskIdIndex;
  /** Sends what begins; again, it changes nothing. */
  begin(flow: string, plan: Plan, begun: readonly Start[]): Promise<unknown>;
}

/** A group, as its members know it. */
export interface GroupAddress {
  readonly flow: string;
  readonly path: string;
}

/** As it is stored. */
interface AddedMember {
  /** Which addition of which task. */
  readonly by: string;
  readonly node: PlanNode;
}

/** Where this process last wrote a member of a group. */
interface Queue {
  next: number;
  /** Resolves when the addition before has been written. */
  last: Promise<unknown>;
}

/** So many groups and runs are remembered; one that is not is looked for again. */
const REMEMBERED = 1_000;

export class AddedMembers {
  /** By group: those that are added at once would all meet at one place, and each again at the next. */
  readonly #queues = new LRUCache<string, Queue>({ max: REMEMBERED });
  /** By run of a task that has run before: where it added what then. */
  readonly #earlier = new LRUCache<string, Promise<ReadonlyMap<string, number>>>({ max: REMEMBERED });

  constructor(private readonly params: AddedMembersParams) {}

  /**
   * Adds a member, once for each addition of a task.
   * @param run names this run of the task where it has run before, and may have added it then
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
   * Writes it behind those that are there.
   * @returns its place; `undefined` when the workflow is no longer kept, or revoked
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
      // Taken: the counter tells where the others are by now.
      queue.next = Math.max(ordinal + 1, row.count);
      if (row.before === undefined || byOf(row.before) === member.by) return ordinal;
    }
  }

  /** What was added before this run of a task, by addition. */
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

  /** All that was added to a group so far, some at a time. */
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
    queue.last = mine.catch(() => undefined); // told to whoever added it
    return mine;
  }

  /**
   * Sends again what a task added in runs that died, perhaps between the writing and the sending: this one may have added
   * less.
   * @param adder the task's job id
   */
  async sendAgain({ flow, path: group }: GroupAddress, plan: Plan, adder: string): Promise<void> {
    const around = nodeAt(plan, group);
    // A message may name what is no group; nothing was added there, and its end must not fail of it.
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
