/**
 * Carries a workflow on: writes what has ended and sends what comes next. Every step is done before the task that leads
 * to it is settled, under ids that follow from the plan, so that doing it again after a crash changes nothing.
 *
 *   write                                   a crash after it
 *   1 how the part ended, and with it the   the task is delivered again, finds its end written, does not run,
 *     parts it is the last of; counters       and goes on with 2
 *   2 the jobs of what comes next           the same jobs are added again under the same ids: nothing changes
 *   3 the record's time to live, notices    the same
 *   4 the task's own record (`settle`)      nothing is left to do
 */
import type { BrokerClock } from '../broker/clock.js';
import { CLOSED, type Engine, type FlowWritten } from '../broker/engine.js';
import { flowTopic, partOf } from '../broker/ids.js';
import type { FlowInput } from '../broker/message.js';
import type { Producer } from '../broker/producer.js';
import { CeleriacError } from '../errors.js';
import { encodeResult } from '../tasks/serializer.js';
import { afterFailure, afterSuccess, isFull } from './advance.js';
import {
  addedField,
  type Blame,
  countField,
  type Ending,
  failedField,
  readFailing,
  revocationIn,
} from './flow-record.js';
import { encodedInput, readInput } from './flow-values.js';
import { envelopeOf } from './part-message.js';
import {
  finalOf,
  idOf,
  nodeAt,
  type Plan,
  type PlanNode,
  placeOf,
  ROOT,
  type Start,
  starts,
} from './plan.js';
import type { Plans } from './plans.js';

export interface FlowProgressParams {
  readonly engine: Engine;
  readonly clock: BrokerClock;
  readonly producer: Producer;
  readonly plans: Plans;
  readonly resultExpiresMs: number;
  readonly failureExpiresMs: number;
}

/** What became of a part's end: told, or too late because the workflow was revoked, or is no longer kept. */
export type Told = 'told' | 'gone' | { readonly revoked: string | undefined };

/** A failed part, and what errbacks are told of it. */
export interface Failed {
  readonly blame: Blame;
  /** Set when it was revoked; `null` without a reason. */
  readonly revoked?: string | null;
  /** The encoded request. */
  readonly request: unknown;
}

export class FlowProgress {
  constructor(private readonly params: FlowProgressParams) {}

  /** A part ended well. */
  async succeed(flow: string, plan: Plan, path: string, ending: Ending): Promise<Told> {
    const { engine } = this.params;
    const parentId = idOf(flow, path, nodeAt(plan, path));
    let at = path;
    let current = ending;
    for (;;) {
      const { writes, ended, next } = afterSuccess(plan, at, current);
      const value = 's' in current ? { value: current.s } : undefined;
      const begun = next.kind === 'step' ? starts(next.node, next.path) : [];
      const input = next.kind === 'step' ? inputFor(begun, value, next.from) : undefined;
      // A step that has its value with it looks at the record only for what forbids it to run, so it may be sent while the
      // record is written. One that reads its value there has to come after.
      const carried = input !== undefined && 'value' in input;
      const early = carried ? this.begin(flow, plan, begun, { input, parentId }) : undefined;
      const [written] = await Promise.all([engine.flows.write(flow, writes), early]);
      if (written === undefined) return 'gone';
      const revoked = revocationIn(written.closed);
      if (revoked !== undefined) return at === path ? { revoked: revoked.reason } : 'told';
      if (!carried) await this.begin(flow, plan, begun, { input, parentId });
      await this.#links(flow, plan, ended, value, parentId);
      if (next.kind === 'whole')
        await this.#over(flow, plan, { kind: 'value', from: finalOf(plan.root, ROOT) });
      if (next.kind !== 'member') return 'told';
      const row = written.rows[next.write];
      if (row === undefined || !isFull(next, row.count, row.extra)) return 'told';
      if (await this.#fullWithFailures(flow, plan, next.group)) return 'told';
      engine.signals.notify(flowTopic(flow, next.group));
      at = next.group;
      current = { g: row.count };
    }
  }

  /** A part failed for good, or was revoked. */
  async fail(flow: string, plan: Plan, path: string, failed: Failed): Promise<Told> {
    const { engine } = this.params;
    const { blame, revoked } = failed;
    const ending: Ending = { f: blame, ...(revoked !== undefined && { r: revoked }) };
    const fall = afterFailure(plan, path, blame, ending);
    const written = await engine.flows.write(flow, fall.writes);
    if (written === undefined) return 'gone';
    const revocation = revocationIn(written.closed);
    if (revocation !== undefined) return { revoked: revocation.reason };
    const carriers = [path];
    for (const { path: around, write, body } of fall.failed) {
      if (!isOurs(written, write, path)) break;
      carriers.push(around, ...(body === undefined ? [] : [body]));
    }
    await this.#errbacks(flow, plan, carriers, failed);
    engine.signals.notify(flowTopic(flow));
    for (const { group, size, write } of fall.counted) {
      const row = written.rows[write];
      if (row !== undefined && isFull({ size }, row.count, row.extra))
        await this.#fullWithFailures(flow, plan, group);
    }
    const last = fall.failed.at(-1);
    if (
      plan.root.kind !== 'group' &&
      (last === undefined || (last.path === ROOT && isOurs(written, last.write, path)))
    )
      await this.#over(flow, plan, { kind: 'failure', failed });
    return 'told';
  }

  /** Sends what begins; a group without members ends at once. */
  async begin(flow: string, plan: Plan, begun: readonly Start[], given: Given): Promise<void> {
    const { producer, clock } = this.params;
    const now = clock.now();
    await Promise.all(
      begun.map(async (start) => {
        if (start.kind === 'empty') await this.succeed(flow, plan, start.path, { g: 0 });
        else await producer.send(envelopeOf(flow, plan, start, { ...given, now }));
      }),
    );
  }

  /** Adds a member to a group that is running, once for each `by`. */
  async addMember(flow: string, plan: Plan, group: string, member: AddedMember): Promise<void> {
    const { engine, plans } = this.params;
    const around = nodeAt(plan, group);
    if (around?.kind !== 'group')
      throw new CeleriacError(`The part "${group}" of workflow ${flow} is no group.`);
    const value = JSON.stringify(member);
    for (let ordinal = 0; ; ordinal++) {
      const field = addedField(group, ordinal);
      const written = await engine.flows.write(flow, [{ field, value, counter: `${countField(group)}+` }]);
      if (written === undefined || written.closed !== undefined) return;
      const before = written.rows[0]?.before;
      if (before !== undefined && (JSON.parse(before) as AddedMember).by !== member.by) continue;
      const index = around.members.length + ordinal;
      const path = `${group}.${index}`;
      plans.added(flow, path, member.node);
      const begun = starts(member.node, path, { path: group, index });
      return this.begin(flow, (await plans.upTo(flow, path)) ?? plan, begun, NOTHING_GIVEN);
    }
  }

  async #links(
    flow: string,
    plan: Plan,
    ended: readonly { readonly path: string; readonly from: string }[],
    value: FlowInput | undefined,
    parentId: string,
  ): Promise<void> {
    for (const { path, from } of ended) {
      for (const [i, link] of (nodeAt(plan, path)?.links ?? []).entries()) {
        const begun = starts(link, `${path}.l${i}`);
        await this.begin(flow, plan, begun, { input: inputFor(begun, value, from), parentId });
      }
    }
  }

  async #errbacks(flow: string, plan: Plan, carriers: readonly string[], failed: Failed): Promise<void> {
    const input = { request: failed.request, error: failed.blame.error };
    for (const carrier of carriers) {
      for (const [i, errback] of (nodeAt(plan, carrier)?.errbacks ?? []).entries())
        await this.begin(flow, plan, starts(errback, `${carrier}.e${i}`), {
          input,
          parentId: failed.blame.id,
        });
    }
  }

  /** All members have ended. `true` when one of them failed: then nothing follows. */
  async #fullWithFailures(flow: string, plan: Plan, group: string): Promise<boolean> {
    const { engine } = this.params;
    const [[text] = []] = await engine.flows.read([{ flow, fields: [failedField(group)] }]);
    const failing = readFailing(text);
    if (failing === undefined) return false;
    engine.signals.notify(flowTopic(flow, group));
    if (group === ROOT) {
      await engine.flows.write(flow, [{ field: CLOSED, value: '{"end":true}' }]);
      await this.#over(flow, plan, { kind: 'failure', failed: { blame: failing.f, request: null } });
      return true;
    }
    const place = placeOf(group);
    const around = place === undefined ? undefined : nodeAt(plan, place.parent);
    if (place !== undefined && around?.kind === 'group') {
      const counter = `n:${place.parent}`;
      const written = await engine.flows.write(flow, [
        { field: group, value: JSON.stringify({ x: failing.at } satisfies Ending), counter },
      ]);
      const row = written?.rows[0];
      if (row !== undefined && isFull({ size: around.members.length }, row.count, row.extra))
        await this.#fullWithFailures(flow, plan, place.parent);
    }
    return true;
  }

  /** The workflow is over: its record goes with time, and whoever waits hears of it. */
  async #over(flow: string, plan: Plan, outcome: Whole): Promise<void> {
    const { engine, resultExpiresMs, failureExpiresMs } = this.params;
    if (plan.replaces !== undefined) await this.#tellReplaced(flow, plan, plan.replaces.jobId, outcome);
    const keptMs = outcome.kind === 'value' ? resultExpiresMs : failureExpiresMs;
    await engine.flows.expire(flow, Math.max(1, keptMs));
    engine.signals.notify(flowTopic(flow));
    if (plan.replaces !== undefined) engine.signals.notify(plan.replaces.jobId);
  }

  /** The task it took the place of ends with it, in that one's own workflow. */
  async #tellReplaced(flow: string, plan: Plan, jobId: string, outcome: Whole): Promise<void> {
    const part = partOf(jobId);
    if (part === undefined) return;
    const around = await this.params.plans.upTo(part.flow, part.path);
    if (around === undefined) return;
    if (outcome.kind === 'failure') await this.fail(part.flow, around, part.path, outcome.failed);
    else {
      const value = await this.#valueOf(flow, plan, outcome.from);
      await this.succeed(part.flow, around, part.path, { s: value });
    }
  }

  async #valueOf(flow: string, plan: Plan, path: string): Promise<unknown> {
    const input = await readInput(this.params.engine, flow, plan, path);
    return input === undefined ? encodeResult(undefined) : encodedInput(input);
  }
}

type Whole =
  | { readonly kind: 'value'; readonly from: string }
  | { readonly kind: 'failure'; readonly failed: Failed };

/** A member added to a group, as it is stored. */
export interface AddedMember {
  /** Who added it, and as which of its additions. */
  readonly by: string;
  readonly node: PlanNode;
}

/** What begins receives. */
interface Given {
  readonly input: FlowInput | undefined;
  readonly parentId: string | undefined;
}

/** One task gets the value itself; many read it from where it stands. */
function inputFor(begun: readonly Start[], value: FlowInput | undefined, from: string): FlowInput {
  return value !== undefined && begun.length === 1 ? value : { of: from };
}

function isOurs({ closed, rows }: FlowWritten, write: number, path: string): boolean {
  const before = rows[write]?.before;
  return before === undefined ? closed === undefined : readFailing(before)?.at === path;
}

const NOTHING_GIVEN: Given = { input: undefined, parentId: undefined };

/** The parts of a plan that begin first. */
export function firstStarts(plan: { readonly root: PlanNode }): Start[] {
  return starts(plan.root, ROOT);
}
