/**
 * Results of workflows: what `delay()` returns, and how to find, revoke and forget the parts of a workflow from any
 * of them.
 */

import { CLOSED, type Engine, type JobRef, REVOKED } from '../../broker/broker.js';
import type { BrokerClock } from '../../broker/clock.js';
import { keepAliveDuring } from '../../broker/keep-alive.js';
import type { TaskIdIndex } from '../../coordination/task-id-index.js';
import type { TaskLookup, TaskRecord } from '../../coordination/task-record.js';
import { readTrail } from '../../coordination/trail.js';
import { UnknownTaskError } from '../../errors.js';
import { flowTopic, partId, partOf } from '../../protocol/ids.js';
import { AsyncResult } from '../../results/async-result.js';
import { GroupResult } from '../../results/group-result.js';
import type { FlowRelations, ResultGraph } from '../../results/relations.js';
import type { ResultSource } from '../../results/result-source.js';
import { markStarted, type RevokeOptions, type RevokeReply, startedUnmarked } from '../../results/revoke.js';
import { FAILURE, READY, REVOKED as REVOKED_STATE, STARTED, type State, SUCCESS } from '../../states.js';
import { type FlowDrop, type PartJob, partJobs, replacementsOf } from './jobs.js';
import { isKept, recordFields } from './part-state.js';
import {
  customIds,
  finalOf,
  idOf,
  leaves,
  leavesNoResult,
  nodeAt,
  type Parallel,
  type Plan,
  placeOf,
  ROOT,
  stepBefore,
} from './plan.js';
import type { PlanCache } from './plan-cache.js';
import type { WorkflowProgress } from './progress.js';
import { FORGET, readEnding, revocation } from './record.js';

/** What results are made from, without workflows. */
export type PlainSource = Omit<ResultSource, 'flows'>;

export interface WorkflowResultsParams {
  readonly engine: Engine;
  /** Reads the jobs of parts, also in lanes. */
  readonly jobs: TaskLookup;
  readonly clock: BrokerClock;
  readonly plans: PlanCache;
  readonly progress: WorkflowProgress;
  readonly drops: FlowDrop;
  readonly index: TaskIdIndex;
  readonly failureExpiresMs: number;
  /** What results are made from, without workflows. */
  readonly source: PlainSource;
}

export class WorkflowResults implements FlowRelations {
  /** What the app's results are made from. */
  readonly source: ResultSource;

  constructor(private readonly params: WorkflowResultsParams) {
    this.source = { ...params.source, flows: this };
  }

  /** The result of a whole workflow. */
  ofPlan(flow: string, plan: Plan): AsyncResult | GroupResult {
    return this.#at(flow, plan, ROOT) as AsyncResult | GroupResult;
  }

  /** The result of a group, from its id. */
  async group(id: string): Promise<GroupResult> {
    if (GroupResult.isEmpty(id)) return GroupResult.empty(id);
    const part = partOf(id);
    const plan = part === undefined ? undefined : await this.params.plans.whole(part.flow);
    if (part === undefined || plan === undefined) throw new UnknownTaskError(id);
    const fields = recordFields(part.path);
    const [values = []] = await this.params.engine.flows.read([{ flow: part.flow, fields }]);
    const kept = isKept((field) => values[fields.indexOf(field)], this.params.clock.now());
    const node = nodeAt(plan, part.path);
    if (!kept || node === undefined) throw new UnknownTaskError(id);
    const result = this.#at(part.flow, plan, part.path);
    return result instanceof GroupResult ? result : new GroupResult(this.source, id, [result as AsyncResult]);
  }

  async children(ref: JobRef, id: string): Promise<(AsyncResult | GroupResult)[]> {
    const [after, called] = await Promise.all([this.#after(ref), readTrail(this.params.engine, id)]);
    const results = called.map((one) =>
      one.group === true
        ? this.group(one.id).catch(() => undefined) // no longer kept
        : new AsyncResult(this.source, one.id),
    );
    return [...after, ...(await Promise.all(results)).filter((result) => result !== undefined)];
  }

  async #after(ref: JobRef): Promise<(AsyncResult | GroupResult)[]> {
    const part = partOf(ref.id);
    const plan = part === undefined ? undefined : await this.params.plans.upTo(part.flow, part.path);
    if (part === undefined || plan === undefined) return [];
    const { flow, path } = part;
    const next = nextOf(plan, path);
    const links = (nodeAt(plan, path)?.links ?? []).map((_, i) => `${path}.l${i}`);
    return [...(next === undefined ? [] : [next]), ...links].map((at) => this.#at(flow, plan, at));
  }

  async graph(ref: JobRef, id: string, name: string | undefined): Promise<ResultGraph> {
    const part = partOf(ref.id);
    const plan = part === undefined ? undefined : await this.params.plans.whole(part.flow);
    if (part === undefined || plan === undefined) {
      const { state, name: found } = await new AsyncResult(this.source, id, { ref }).snapshot();
      return { nodes: [{ id, name: found ?? name, state }], edges: [] };
    }
    const { flow } = part;
    const parts = [...leaves(plan.root, ROOT, true)];
    const seen = await Promise.all(
      parts.map(async ([path, leaf]) => {
        const { state, known } = await this.#task(flow, plan, path).snapshot();
        const now = known ? state : await this.#unstored(flow, path);
        return now && { id: idOf(flow, path, leaf), name: leaf.name, state: now };
      }),
    );
    // Omit errbacks that were never invoked.
    const nodes = seen.filter((node) => node !== undefined);
    const known = new Set(nodes.map(({ id }) => id));
    const edges = parts.flatMap(([path]) => {
      const next = nextOf(plan, path);
      const after = next === undefined ? [] : firstTasks(plan, next);
      const links = (nodeAt(plan, path)?.links ?? []).flatMap((_, i) => firstTasks(plan, `${path}.l${i}`));
      return [...after, ...links].map((to) => ({
        from: idOf(flow, path, nodeAt(plan, path)),
        to: idOf(flow, to, nodeAt(plan, to)),
      }));
    });
    return { nodes, edges: edges.filter(({ from, to }) => known.has(from) && known.has(to)) };
  }

  /** The state of a part whose result is not stored: the workflow's record still has it. */
  async #unstored(flow: string, path: string): Promise<State | undefined> {
    const [[text] = []] = await this.params.engine.flows.read([{ flow, fields: [path] }]);
    const ending = readEnding(text);
    if (ending === undefined || 'i' in ending) return undefined;
    if (!('f' in ending)) return SUCCESS;
    return ending.r === undefined ? FAILURE : REVOKED_STATE;
  }

  revoke(ref: JobRef, options: RevokeOptions): Promise<RevokeReply | undefined> {
    return keepAliveDuring(this.params.engine, () => this.#revoke(ref, options));
  }

  async #revoke(ref: JobRef, options: RevokeOptions): Promise<RevokeReply | undefined> {
    const part = partOf(ref.id);
    const plan = part === undefined ? undefined : await this.params.plans.upTo(part.flow, part.path);
    if (part === undefined || plan === undefined) return undefined;
    const { flow, path } = part;
    if (path === ROOT || path === finalOf(plan.root, ROOT)) return this.#revokeFlow(flow, options);
    const node = nodeAt(plan, path);
    if (node?.kind === 'task') {
      const [job] = await this.params.jobs.read([ref]);
      // A task that was sent is revoked like any other; its end is recorded in the workflow.
      return job === undefined ? this.#revokePending(flow, plan, path, options) : undefined;
    }
    const state = await new AsyncResult(this.source, ref.id, { ref }).status;
    for (const [at] of node === undefined ? [] : leaves(node, path))
      await this.#task(flow, plan, at).revoke(options);
    return { found: true, was: state };
  }

  forget(ref: JobRef): Promise<boolean> {
    return keepAliveDuring(this.params.engine, () => this.#forget(ref));
  }

  async #forget(ref: JobRef): Promise<boolean> {
    const part = partOf(ref.id);
    const plan = part === undefined ? undefined : await this.params.plans.upTo(part.flow, part.path);
    if (part === undefined || plan === undefined) return false;
    const { flow, path } = part;
    if (path !== ROOT && path !== finalOf(plan.root, ROOT)) return true;
    const { engine, drops } = this.params;
    // Written before the read: a later end sees the mark, an earlier end is seen by the read.
    await engine.flows.write(flow, [{ field: FORGET, value: '1' }]);
    const [[closed, revoked] = []] = await engine.flows.read([{ flow, fields: [CLOSED, REVOKED] }]);
    if (closed === undefined && revoked === undefined) return true;
    await drops.drop(flow);
    engine.signals.notify(flowTopic(flow));
    return true;
  }

  /** Revokes all parts of a workflow that have not ended. */
  revokeFlow(flow: string, options: RevokeOptions): Promise<RevokeReply> {
    return keepAliveDuring(this.params.engine, () => this.#revokeFlow(flow, options));
  }

  async #revokeFlow(flow: string, options: RevokeOptions): Promise<RevokeReply> {
    const plan = await this.params.plans.whole(flow);
    if (plan === undefined) return { found: false, was: undefined };
    const { engine, progress, index, failureExpiresMs } = this.params;
    const final = finalOf(plan.root, ROOT);
    const was = await this.#task(flow, plan, final).status;
    if (was === SUCCESS) return { found: true, was };
    const begun = await this.#runningParts(flow, plan);
    const at = this.params.clock.now();
    const written = await engine.flows.write(flow, [
      revocation({ reason: options.reason, at, running: begun }),
    ]);
    if (written === undefined) return { found: false, was: undefined };
    engine.signals.notify(flowTopic(flow));
    const running: string[] = [];
    // Parts that an earlier revocation found running were handled then.
    const again = written.revoked !== undefined;
    let late = false;
    for (const parts of partJobs(flow, plan)) {
      const found = await this.#revokeParts(flow, parts, options);
      running.push(...found.map(({ job }) => job.id));
      const fresh = again ? [] : found.filter(({ path, job }) => begun.get(path) !== job.deliveries);
      const ran = await Promise.all(fresh.map((part) => this.#ranUnnoted(part, options.reason)));
      late ||= fresh.some(({ path }, i) => path === final && ran[i] === true);
    }
    if (options.terminate === true && running.length > 0)
      await this.source.endRunning(running, options.reason);
    const ids = customIds(flow, plan.root, ROOT).map(({ id }) => id);
    if (plan.replaces === undefined) await index.expireAll(ids, failureExpiresMs);
    // A replaced task ends too; the record goes when the last part has ended.
    else await progress.close(flow, plan, options.reason);
    return { found: true, was: late ? STARTED : was };
  }

  /** The running parts, each with the number of its delivery. */
  async #runningParts(flow: string, plan: Plan): Promise<Map<string, number>> {
    const running = new Map<string, number>();
    for (const parts of partJobs(flow, plan)) {
      const jobs = await this.params.jobs.read(parts.map(({ ref }) => ref));
      for (const [i, { path }] of parts.entries()) {
        const job = jobs[i];
        if (job?.running === true && job.doneAt === undefined) running.set(path, job.deliveries);
      }
    }
    return running;
  }

  /** True if a part was fetched just before its workflow was revoked, and runs: marks it as running. */
  async #ranUnnoted({ ref, job }: RunningPart, reason: string | undefined): Promise<boolean> {
    const { engine, jobs: tasks } = this.params;
    if (!(await startedUnmarked(tasks, ref, job))) return false;
    await markStarted({ engine, tasks }, ref, reason === undefined ? {} : { reason });
    return true;
  }

  /** @returns the running parts */
  async #revokeParts(
    flow: string,
    parts: readonly PartJob[],
    options: RevokeOptions,
  ): Promise<RunningPart[]> {
    const [jobs, replacements] = await Promise.all([
      this.params.jobs.read(parts.map(({ ref }) => ref)),
      replacementsOf(this.params.engine, flow, parts),
    ]);
    for (const inner of replacements) await this.#revokeFlow(inner, options);
    const living = parts.flatMap((part, i) => {
      const job = jobs[i];
      return job === undefined || job.doneAt !== undefined ? [] : [{ ...part, job }];
    });
    const waiting = living.filter(({ job }) => !job.running && job.delayMs > 0);
    await Promise.all(waiting.map(({ job }) => this.#promoteNow(job.queue, job.id)));
    return living.filter(({ job }) => job.running);
  }

  /** Promotes a delayed task, so that a worker ends it now; otherwise it would keep its claims until it is due. */
  async #promoteNow(queue: string, id: string): Promise<void> {
    const backend = await this.params.engine.backend(queue);
    await backend.promote(id).catch(() => undefined); // due in the meantime
  }

  /** Revokes a part whose turn has not come: it fails before it begins, and so do the parts that depend on it. */
  async #revokePending(
    flow: string,
    plan: Plan,
    path: string,
    { reason }: RevokeOptions,
  ): Promise<RevokeReply> {
    const { engine, progress } = this.params;
    const was: State = await this.#task(flow, plan, path).status;
    const [[ended] = []] = await engine.flows.read([{ flow, fields: [path] }]);
    if (readEnding(ended) !== undefined || READY.has(was)) return { found: true, was };
    const progressed = await progress.revokePart(flow, plan, path, reason);
    if (progressed === 'forgotten') await this.params.drops.drop(flow);
    return { found: true, was };
  }

  /** The result of a part; for a chain, that of the part that gives its value. */
  #at(flow: string, plan: Plan, path: string): AsyncResult | GroupResult {
    const node = nodeAt(plan, path);
    if (node === undefined) throw new UnknownTaskError(partId(flow, path));
    const final = finalOf(node, path);
    const end = nodeAt(plan, final);
    if (end?.kind !== 'group' || path !== final) return this.#task(flow, plan, final);
    return new GroupResult(this.source, partId(flow, final), this.#members(flow, plan, final, end), () =>
      this.#parent(flow, plan, final),
    );
  }

  /** The results of a group's members; those of nested groups are spliced in, as their values are. */
  #members(flow: string, plan: Plan, group: string, { members }: Parallel): AsyncResult[] {
    return members.flatMap((node, i) => {
      const path = `${group}.${i}`;
      if (node.kind === 'group') return this.#members(flow, plan, path, node);
      return [this.#task(flow, plan, finalOf(node, path))];
    });
  }

  /** The result of a task, or of a group as one value. */
  #task(flow: string, plan: Plan, path: string): AsyncResult {
    const node = nodeAt(plan, path);
    const leaf = node?.kind === 'task' ? node : undefined;
    const id = idOf(flow, path, node);
    return new AsyncResult(this.source, id, {
      ref: { queue: leaf?.queue ?? '', id: partId(flow, path, leaf?.queue) },
      ...(leaf !== undefined && { name: leaf.name }),
      ...(node !== undefined && leavesNoResult(node) && { ignoreResult: true }),
      parent: () => this.#parent(flow, plan, path),
    });
  }

  /** The predecessor of a part. */
  #parent(flow: string, plan: Plan, path: string): AsyncResult | GroupResult | undefined {
    const before = stepBefore(plan, path);
    const node = before === undefined ? undefined : nodeAt(plan, before);
    if (before === undefined || node === undefined) return undefined;
    return this.#at(flow, plan, node.kind === 'group' ? before : finalOf(node, before));
  }
}

/** A running part. */
interface RunningPart extends PartJob {
  readonly job: TaskRecord;
}

/** The part that begins once this one has ended. */
function nextOf(plan: Plan, path: string): string | undefined {
  for (let place = placeOf(path); place !== undefined; place = placeOf(place.parent)) {
    const around = nodeAt(plan, place.parent);
    if (around?.kind === 'chain' && place.index + 1 < around.steps.length)
      return `${place.parent}.${place.index + 1}`;
  }
  return undefined;
}

function firstTasks(plan: Plan, path: string): string[] {
  const node = nodeAt(plan, path);
  if (node === undefined) return [];
  if (node.kind === 'task') return [path];
  if (node.kind === 'chain') return firstTasks(plan, `${path}.0`);
  return node.members.flatMap((_, i) => firstTasks(plan, `${path}.${i}`));
}
