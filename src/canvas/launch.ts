/**
 * Sends workflows: the plan is written, then what begins first is sent, in one atomic step where it is little and by a
 * task of our own where it is much; so a caller that dies has sent all of it or nothing.
 *
 *   write                          a crash after it
 *   1 the record with the plan     nothing runs, nobody was told an id; the record goes with time
 *   2 the first jobs, atomically   the workflow is accepted
 */
import type { BrokerClock } from '../broker/clock.js';
import type { Engine } from '../broker/engine.js';
import type { IdIndex } from '../broker/id-index.js';
import { type IdSource, partId, partOf } from '../broker/ids.js';
import { writeMessage } from '../broker/message.js';
import type { Envelope, Producer } from '../broker/producer.js';
import { DuplicateTaskError } from '../errors.js';
import type { CallOptions } from '../options/call-options.js';
import type { AsyncResult, ResultSource } from '../results/async-result.js';
import type { GroupResult } from '../results/group-result.js';
import type { CallTarget } from '../tasks/registry.js';
import { compile } from './compile.js';
import type { Dispatcher } from './dispatch.js';
import type { Composable } from './fits.js';
import { type FlowProgress, firstStarts } from './flow-progress.js';
import type { FlowResults } from './flow-results.js';
import { LaunchHere } from './launch-here.js';
import { envelopeOf } from './part-message.js';
import {
  finalOf,
  idOf,
  jobIdOf,
  leaves,
  nodeAt,
  type Plan,
  type PlanNode,
  ROOT,
  type Start,
} from './plan.js';
import type { Plans } from './plans.js';
import type { Sender } from './sender.js';
import { NO_CALLBACKS, Signature } from './signature.js';

export interface LauncherParams {
  readonly engine: Engine;
  readonly clock: BrokerClock;
  readonly ids: IdSource;
  readonly index: IdIndex;
  readonly producer: Producer;
  readonly sender: () => Sender;
  readonly plans: Plans;
  readonly progress: FlowProgress;
  readonly results: FlowResults;
  readonly source: () => ResultSource;
}

/** More than this begins by a task of our own, so that the broker is never blocked for long. */
const MOST_TOGETHER = 100;
/** A workflow that nobody works on is forgotten after this; its end shortens it to the life of its results. */
const UNATTENDED_MS = 90 * 24 * 3_600_000;
/** The name of the task that begins a large workflow, and its path. */
export const BEGIN_TASK = 'celeriac.begin';
export const BEGIN_PATH = 'b';

export class Launcher implements Dispatcher {
  constructor(private readonly params: LauncherParams) {}

  /**
   * Sends one task; with callbacks it is a workflow.
   * @param where `'to the broker'`: even where calls run here and now
   */
  send<R>(
    target: CallTarget,
    args: readonly unknown[],
    options: CallOptions,
    where?: 'to the broker',
  ): Promise<AsyncResult<R>> {
    if (options.link === undefined && options.linkError === undefined) {
      const settled = where === undefined ? undefined : { detour: null };
      return this.params.sender().send<R>(target, args, options, settled);
    }
    const parts = { launcher: this, target, immutable: false, callbacks: NO_CALLBACKS };
    const signature = new Signature(parts, args, options);
    return this.launch(signature as Composable, [], {}, where) as Promise<AsyncResult<R>>;
  }

  /** Sends a workflow, with these arguments in front and these options on top. */
  async launch(
    node: Composable,
    args: readonly unknown[],
    options: CallOptions,
    where?: 'to the broker',
  ): Promise<AsyncResult | GroupResult> {
    const { clock, ids, sender, source, results } = this.params;
    const { link, linkError, ...own } = options;
    const carried = link === undefined && linkError === undefined ? node : withCallbacks(node, options);
    // Where calls run here and now, so do workflows.
    if (sender().detour !== null && where === undefined)
      return new LaunchHere(sender(), source()).launch(carried, args, own);
    // An id of ours: the same workflow again, after a call that may or may not have arrived.
    const again = own.taskId === undefined ? undefined : partOf(own.taskId);
    const { taskId, ...others } = own;
    await clock.sync();
    const root = await compile(sender(), carried, args, again === undefined ? own : others);
    const plan: Plan = { v: 1, root, sentAt: clock.now() };
    const flow = again?.flow ?? ids.nextFlow();
    await this.deliver(flow, plan, again === undefined);
    return results.ofPlan(flow, plan);
  }

  /** Writes the plan and sends what begins. */
  async deliver(flow: string, plan: Plan, fresh: boolean): Promise<void> {
    const { plans, engine } = this.params;
    const text = JSON.stringify(plan);
    plans.keep(flow, plan, text.length);
    const release = engine.hold();
    try {
      const claimed = plan.replaces === undefined ? customIds(flow, plan) : [];
      await this.#claiming(claimed, () => this.#send(flow, plan, text, fresh));
    } finally {
      release();
    }
  }

  async #send(flow: string, plan: Plan, text: string, fresh: boolean): Promise<void> {
    const { engine, producer, progress, clock } = this.params;
    const begun = firstStarts(plan);
    const tasks = begun.filter((start) => start.kind === 'task');
    const now = clock.now();
    const envelopes =
      tasks.length > MOST_TOGETHER
        ? [this.#beginLater(flow, tasks, now)]
        : tasks.map((start) => envelopeOf(flow, plan, start, { input: undefined, parentId: undefined, now }));
    const id = idOf(flow, finalOf(plan.root, ROOT), nodeAt(plan, finalOf(plan.root, ROOT)));
    let mayExist = !fresh;
    await producer.together(envelopes, id, async () => {
      const made = await engine.flows.create(flow, text, UNATTENDED_MS);
      if (!made && !mayExist) throw new DuplicateTaskError(`The workflow id "${flow}" is taken.`, id);
      // Made by an attempt whose answer was lost.
      mayExist = true;
    });
    const empty = begun.filter((start) => start.kind === 'empty');
    if (empty.length > 0) await progress.begin(flow, plan, empty, { input: undefined, parentId: undefined });
  }

  #beginLater(flow: string, tasks: readonly Extract<Start, { kind: 'task' }>[], now: number): Envelope {
    const queue = tasks[0]?.leaf.queue ?? '';
    const jobId = partId(flow, BEGIN_PATH, queue);
    return {
      taskId: jobId,
      jobId,
      queue,
      name: BEGIN_TASK,
      data: writeMessage('[]', { flow: {}, ignore: true }),
      sentAt: now,
      delayMs: 0,
      priority: 0,
    };
  }

  /** Takes the callers' own ids, then sends. */
  #claiming(ids: readonly CustomId[], send: () => Promise<void>): Promise<void> {
    const [next, ...rest] = ids;
    if (next === undefined) return send();
    const { id, queue, jobId } = next;
    return this.params.index.claim(id, queue, () => this.#claiming(rest, send), jobId);
  }
}

interface CustomId {
  readonly id: string;
  readonly queue: string;
  readonly jobId: string;
}

function customIds(flow: string, plan: { readonly root: PlanNode }): CustomId[] {
  const found: CustomId[] = [];
  for (const [path, leaf] of leaves(plan.root, ROOT, true))
    if (leaf.id !== undefined)
      found.push({ id: leaf.id, queue: leaf.queue, jobId: jobIdOf(flow, path, leaf) });
  return found;
}

function withCallbacks(node: Composable, { link, linkError }: CallOptions): Composable {
  const settable = node as Composable & { set(options: CallOptions): Composable };
  return settable.set({ ...(link !== undefined && { link }), ...(linkError !== undefined && { linkError }) });
}
