/**
 * Members that running tasks add to their groups. Each is written into the record before it is sent, and from then on the
 * group waits for it.
 */
import type { Engine } from '../broker/engine.js';
import type { IdIndex } from '../broker/id-index.js';
import { CeleriacError } from '../errors.js';
import { addedField, extraField } from './flow-record.js';
import { customIds, nodeAt, type Plan, type PlanNode, type Start, starts } from './plan.js';
import type { Plans } from './plans.js';

/** So many are read at a time. */
const BATCH = 500;

export interface AddedMembersParams {
  readonly engine: Engine;
  readonly plans: Plans;
  readonly index: IdIndex;
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

export class AddedMembers {
  constructor(private readonly params: AddedMembersParams) {}

  /** Adds a member, once for each addition of a task. */
  async add({ flow, path: group }: GroupAddress, plan: Plan, member: AddedMember): Promise<void> {
    const { engine, index: ids } = this.params;
    const around = nodeAt(plan, group);
    if (around?.kind !== 'group')
      throw new CeleriacError(`The part "${group}" of workflow ${flow} is no group.`);
    const value = JSON.stringify(member);
    for (const { id } of customIds(flow, member.node, group)) await ids.refuseOther(id, flow);
    for (let ordinal = 0; ; ordinal++) {
      const field = addedField(group, ordinal);
      const written = await engine.flows.write(flow, [{ field, value, counter: extraField(group) }]);
      if (written === undefined || written.revoked !== undefined) return;
      const before = written.rows[0]?.before;
      if (before !== undefined && (JSON.parse(before) as AddedMember).by !== member.by) continue;
      return this.#send(flow, plan, {
        group,
        index: around.members.length + ordinal,
        node: member.node,
      });
    }
  }

  /**
   * Sends again what a task added in runs that died, perhaps between the writing and the sending: this one may have added
   * less.
   * @param adder the task's job id
   */
  async sendAgain({ flow, path: group }: GroupAddress, plan: Plan, adder: string): Promise<void> {
    const { flows } = this.params.engine;
    const [[count] = []] = await flows.read([{ flow, fields: [extraField(group)] }]);
    const around = nodeAt(plan, group);
    // A message may name what is no group; nothing was added there, and its end must not fail of it.
    if (count === undefined || around?.kind !== 'group') return;
    for (let first = 0; first < Number(count); first += BATCH) {
      const length = Math.min(BATCH, Number(count) - first);
      const fields = Array.from({ length }, (_, i) => addedField(group, first + i));
      const [texts = []] = await flows.read([{ flow, fields }]);
      for (const [i, text] of texts.entries()) {
        const { by, node } = JSON.parse(text ?? '{"by":""}') as AddedMember;
        const index = around.members.length + first + i;
        if (by.startsWith(`${adder} `)) await this.#send(flow, plan, { group, index, node });
      }
    }
  }

  async #send(flow: string, plan: Plan, { group, index, node }: Place): Promise<void> {
    const { plans, index: ids, begin } = this.params;
    const path = `${group}.${index}`;
    plans.added(flow, path, node);
    for (const { id, queue, jobId } of customIds(flow, node, path)) await ids.enter(id, queue, jobId);
    await begin(flow, (await plans.upTo(flow, path)) ?? plan, starts(node, path, { path: group, index }));
  }
}

interface Place {
  readonly group: string;
  readonly index: number;
  readonly node: PlanNode;
}
