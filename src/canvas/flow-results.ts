/**
 * Results of workflows: what `delay()` gives back, and how the parts of a workflow are found, revoked and forgotten from
 * any of them.
 */
import { CLOSED, type Engine, HEAD, type JobRef } from '../broker/engine.js';
import { held } from '../broker/held.js';
import { flowTopic, partId, partOf } from '../broker/ids.js';
import { TaskRevokedError, UnknownTaskError } from '../errors.js';
import { AsyncResult, type ResultSource } from '../results/async-result.js';
import { GroupResult } from '../results/group-result.js';
import type { FlowRelations, ResultGraph } from '../results/relations.js';
import { forgetTask, type RevokeOptions, type RevokeReply } from '../results/revoke.js';
import { READY } from '../states.js';
import { encodeFailure } from '../tasks/failure.js';
import type { FlowProgress } from './flow-progress.js';
import { readClosing, readEnding } from './flow-record.js';
import {
  finalOf,
  idOf,
  leaves,
  nodeAt,
  type Plan,
  type PlanNode,
  placeOf,
  ROOT,
  stepBefore,
} from './plan.js';
import type { Plans } from './plans.js';

export interface FlowResultsParams {
  /** The engine whose jobs are really there. */
  readonly engine: Engine;
  readonly plans: Plans;
  readonly progress: FlowProgress;
  readonly source: () => ResultSource;
}

/** So many records at a time. */
const STEP = 500;

export class FlowResults implements FlowRelations {
  constructor(private readonly params: FlowResultsParams) {}

  /** The result of a whole workflow. */
  ofPlan(flow: string, plan: Plan): AsyncResult | GroupResult {
    return this.#at(flow, plan, ROOT) as AsyncResult | GroupResult;
  }

  /** The result of a group, from its id. */
  async group(id: string): Promise<GroupResult> {
    const part = partOf(id);
    const plan = part === undefined ? undefined : await this.params.plans.upTo(part.flow, part.path);
    if (part === undefined || plan === undefined) throw new UnknownTaskError(id);
    const [[head] = []] = await this.params.engine.flows.read([{ flow: part.flow, fields: [HEAD] }]);
    const node = nodeAt(plan, part.path);
    if (head === undefined || node === undefined) throw new UnknownTaskError(id);
    const result = this.#at(part.flow, plan, part.path);
    return result instanceof GroupResult
      ? result
      : new GroupResult(this.params.source(), id, [result as AsyncResult]);
  }

  async children(ref: JobRef): Promise<(AsyncResult | GroupResult)[]> {
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
    const plan = part === undefined ? undefined : await this.params.plans.upTo(part.flow, part.path);
    if (part === undefined || plan === undefined) {
      const { state, name: found } = await new AsyncResult(this.params.source(), id, { ref }).snapshot();
      return { nodes: [{ id, name: found ?? name, state }], edges: [] };
    }
    const { flow } = part;
    const parts = [...leaves(plan.root, ROOT, true)];
    const nodes = await Promise.all(
      parts.map(async ([path, leaf]) => {
        const leafId = idOf(flow, path, leaf);
        const { state } = await this.#task(flow, plan, path).snapshot();
        return { id: leafId, name: leaf.name, state };
      }),
    );
    const edges = parts.flatMap(([path]) => {
      const next = nextOf(plan, path);
      const after = next === undefined ? [] : firstTasks(plan, next);
      const links = (nodeAt(plan, path)?.links ?? []).flatMap((_, i) => firstTasks(plan, `${path}.l${i}`));
      return [...after, ...links].map((to) => ({
        from: idOf(flow, path, nodeAt(plan, path)),
        to: idOf(flow, to, nodeAt(plan, to)),
      }));
    });
    return { nodes, edges };
  }

  revoke(ref: JobRef, options: RevokeOptions): Promise<RevokeReply | undefined> {
    return held(this.params.engine, () => this.#revoke(ref, options));
  }

  async #revoke(ref: JobRef, options: RevokeOptions): Promise<RevokeReply | undefined> {
    const part = partOf(ref.id);
    const plan = part === undefined ? undefined : await this.params.plans.upTo(part.flow, part.path);
    if (part === undefined || plan === undefined) return undefined;
    const { flow, path } = part;
    if (path === ROOT || path === finalOf(plan.root, ROOT))
      return this.#revokeWhole(flow, plan, ref, options);
    const node = nodeAt(plan, path);
    if (node?.kind === 'task') {
      const [job] = await this.params.engine.readJobs([ref]);
      // A task that has been sent is revoked as any other; its end tells the workflow.
      return job === undefined ? this.#revokePending(flow, plan, path, options) : undefined;
    }
    const state = await new AsyncResult(this.params.source(), ref.id, { ref }).status;
    for (const [at] of node === undefined ? [] : leaves(node, path))
      await this.#task(flow, plan, at).revoke(options);
    return { found: true, was: state };
  }

  forget(ref: JobRef): Promise<boolean> {
    return held(this.params.engine, () => this.#forget(ref));
  }

  async #forget(ref: JobRef): Promise<boolean> {
    const part = partOf(ref.id);
    const plan = part === undefined ? undefined : await this.params.plans.upTo(part.flow, part.path);
    if (part === undefined || plan === undefined) return false;
    const { flow, path } = part;
    if (path !== ROOT && path !== finalOf(plan.root, ROOT)) return true;
    const { engine } = this.params;
    const [[closed] = []] = await engine.flows.read([{ flow, fields: [CLOSED] }]);
    if (readClosing(closed) === undefined) {
      await engine.flows.write(flow, [{ field: FORGET, value: '1' }]);
      return true;
    }
    await this.dropParts(flow, plan);
    await engine.flows.remove(flow);
    engine.signals.notify(flowTopic(flow));
    return true;
  }

  /** Drops the jobs of all parts, in steps. */
  async dropParts(flow: string, plan: Plan): Promise<void> {
    for await (const refs of this.#jobs(flow, plan))
      await Promise.all(refs.map((ref) => forgetTask(this.params.engine, ref)));
  }

  async #revokeWhole(flow: string, plan: Plan, ref: JobRef, options: RevokeOptions): Promise<RevokeReply> {
    const { engine, source } = this.params;
    const was = await new AsyncResult(source(), ref.id, { ref }).status;
    if (READY.has(was)) return { found: true, was };
    const value = JSON.stringify({ r: options.reason ?? null });
    const written = await engine.flows.write(flow, [{ field: CLOSED, value }]);
    if (written === undefined) return { found: false, was: undefined };
    engine.signals.notify(flowTopic(flow));
    const running: string[] = [];
    for await (const refs of this.#jobs(flow, plan)) {
      const jobs = await engine.readJobs(refs);
      for (const job of jobs) {
        if (job === undefined || job.doneAt !== undefined) continue;
        if (job.running) running.push(job.id);
        else if (job.delayMs > 0) await this.#hasten(job.queue, job.id);
      }
    }
    if (options.terminate === true && running.length > 0) await source().endRunning(running, options.reason);
    return { found: true, was };
  }

  /** A delayed task would hold its place until it is due: let a worker end it now. */
  async #hasten(queue: string, id: string): Promise<void> {
    const backend = await this.params.engine.backend(queue);
    await backend.promote(id).catch(() => undefined); // due in the meantime
  }

  /** A part whose turn has not come: it fails before it begins, and with it what hangs on it. */
  async #revokePending(
    flow: string,
    plan: Plan,
    path: string,
    { reason }: RevokeOptions,
  ): Promise<RevokeReply> {
    const { engine, progress } = this.params;
    const node = nodeAt(plan, path);
    const taskId = idOf(flow, path, node);
    const was = await this.#task(flow, plan, path).status;
    const [[ended] = []] = await engine.flows.read([{ flow, fields: [path] }]);
    if (readEnding(ended) !== undefined || READY.has(was)) return { found: true, was };
    const name = node?.kind === 'task' ? node.name : '';
    const error = encodeFailure(new TaskRevokedError({ taskId, taskName: name, reason }));
    await progress.fail(flow, plan, path, {
      blame: { id: taskId, name, error, t: Date.now() },
      revoked: reason ?? null,
      request: null,
    });
    return { found: true, was };
  }

  /** Where the jobs of all parts are, or would be, a step at a time. */
  async *#jobs(flow: string, plan: Plan): AsyncGenerator<JobRef[]> {
    let refs: JobRef[] = [];
    for (const [path, leaf] of leaves(plan.root, ROOT, true)) {
      refs.push({ queue: leaf.queue, id: partId(flow, path, leaf.queue) });
      if (refs.length < STEP) continue;
      yield refs;
      refs = [];
    }
    if (refs.length > 0) yield refs;
  }

  /** The result of a part: of a chain that of what gives it its value. */
  #at(flow: string, plan: Plan, path: string): AsyncResult | GroupResult {
    const node = nodeAt(plan, path);
    if (node === undefined) throw new UnknownTaskError(partId(flow, path));
    const final = finalOf(node, path);
    const end = nodeAt(plan, final);
    if (end?.kind !== 'group' || path !== final) return this.#task(flow, plan, final);
    const members = end.members.map((_, i) => this.#member(flow, plan, `${final}.${i}`));
    return new GroupResult(this.params.source(), partId(flow, final), members, () =>
      this.#parent(flow, plan, final),
    );
  }

  #member(flow: string, plan: Plan, path: string): AsyncResult {
    const node = nodeAt(plan, path) as PlanNode;
    return this.#task(flow, plan, finalOf(node, path));
  }

  /** The result of a task, or of a group as one value. */
  #task(flow: string, plan: Plan, path: string): AsyncResult {
    const node = nodeAt(plan, path);
    const leaf = node?.kind === 'task' ? node : undefined;
    const id = idOf(flow, path, node);
    return new AsyncResult(this.params.source(), id, {
      ref: { queue: leaf?.queue ?? '', id: partId(flow, path, leaf?.queue) },
      ...(leaf !== undefined && { name: leaf.name }),
      ...(leaf?.fields.ignore === true && { ignoreResult: true }),
      parent: () => this.#parent(flow, plan, path),
    });
  }

  /** What a part comes after. */
  #parent(flow: string, plan: Plan, path: string): AsyncResult | GroupResult | undefined {
    const before = stepBefore(plan, path);
    const node = before === undefined ? undefined : nodeAt(plan, before);
    if (before === undefined || node === undefined) return undefined;
    return this.#at(flow, plan, node.kind === 'group' ? before : finalOf(node, before));
  }
}

/** The field that says a workflow's records are dropped at its end. */
export const FORGET = 'forget';

/** What begins once this part has ended. */
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
