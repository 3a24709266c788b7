/**
 * Sends workflows. The plan is written first; then the first parts are sent: a few in one atomic step, many by a task
 * of our own. So a caller that dies has sent either all of it or nothing.
 *
 *   write                          a crash after it
 *   1 the record with the plan     nothing runs, no caller got an id; the record expires
 *   2 the first jobs, atomically   the workflow is accepted
 */

import type { Engine } from '../../broker/broker.js';
import type { BrokerClock } from '../../broker/clock.js';
import type { Detour } from '../../calls/call-stages.js';
import type { InTransaction } from '../../calls/in-transaction.js';
import type { Sender } from '../../calls/sender.js';
import type { UniqueCalls } from '../../calls/unique.js';
import type { TaskIdIndex } from '../../coordination/task-id-index.js';
import type { TaskLookup } from '../../coordination/task-record.js';
import { DuplicateTaskError } from '../../errors.js';
import type { Acceptance } from '../../options/acceptance.js';
import type { CallOptions, SendOptions } from '../../options/call-options.js';
import { merge } from '../../options/merge.js';
import { type IdSource, partId, partOf } from '../../protocol/ids.js';
import { writeMessage } from '../../protocol/message.js';
import { type Envelope, naming, type Producer } from '../../queue/producer.js';
import type { Tracing } from '../../queue/tracing.js';
import { AsyncResult } from '../../results/async-result.js';
import type { EagerResult } from '../../results/eager-result.js';
import type { GroupResult } from '../../results/group-result.js';
import { asChild } from '../../tasks/context.js';
import type { CallTarget } from '../../tasks/registry.js';
import { Workflow } from '../compose.js';
import type { Dispatcher } from '../dispatch.js';
import { NO_CALLBACKS, Signature } from '../signature.js';
import type { Composable } from '../typing.js';
import { compile } from './compile.js';
import { type GroupsHere, InlineLauncher } from './inline.js';
import { envelopeOf } from './part-message.js';
import {
  customIds,
  delaysIn,
  finalOf,
  idOf,
  jobIdOf,
  type Leaf,
  nodeAt,
  type Plan,
  type PlanNode,
  ROOT,
  type Start,
} from './plan.js';
import type { PlanCache } from './plan-cache.js';
import { type WorkflowProgress } from './progress.js';
import type { WorkflowResults } from './results.js';
import { ofTheApp, retryingCall } from './retrying-call.js';
import { expiryOf, firstStarts } from './writes.js';

/** What a call in a transaction is made with. */
export interface LaunchScope {
  readonly sender: Sender;
  readonly launcher: Launcher;
}

export interface LauncherParams {
  readonly engine: Engine;
  /** Reads the jobs of parts, also in lanes. */
  readonly jobs: TaskLookup;
  readonly clock: BrokerClock;
  readonly ids: IdSource;
  readonly index: TaskIdIndex;
  readonly producer: Producer;
  readonly sender: Sender;
  readonly plans: PlanCache;
  readonly progress: WorkflowProgress;
  readonly results: WorkflowResults;
  readonly unique: UniqueCalls;
  readonly tracing: Tracing | undefined;
  readonly inTransaction: InTransaction<LaunchScope>;
  /** How long the sending of the first parts may take, ms. */
  readonly sentWithinMs: number;
}

/** More first parts than this are sent by a task of our own, so that the broker is never blocked for long. */
const MOST_TOGETHER = 100;
/** How long a workflow without any progress is kept, ms; its end shortens this to the life of its results. */
const UNATTENDED_MS = 90 * 24 * 3_600_000;
/** The name of the task that begins a large workflow, and its path. */
const BEGIN_TASK = 'celeriac.begin';
export const BEGIN_PATH = 'b';

export class Launcher implements Dispatcher {
  readonly #groupsHere: GroupsHere = new Map();

  constructor(private readonly params: LauncherParams) {}

  /**
   * Sends one task; with callbacks it is a workflow.
   * @param where `'to the broker'`: also when calls run in this process
   */
  send<R, C = unknown>(
    target: CallTarget,
    args: readonly unknown[],
    options: SendOptions,
    where?: 'to the broker',
  ): Promise<AsyncResult<R, C>> {
    if (options.publishRetry !== undefined)
      return asChild(retryingCall<R, C>(this.params.sender, target, args, options, where));
    if (options.transaction !== undefined)
      return this.#within(options, where, (scope, own) =>
        hasCallbacks(own)
          ? scope.launcher.send<R, C>(target, args, own, where)
          : asChild(scope.sender.send<R, C>(target, args, own, where && { detour: null })),
      );
    if (!hasCallbacks(options)) {
      const settled = where === undefined ? undefined : { detour: null };
      return asChild(this.params.sender.send<R, C>(target, args, options, settled));
    }
    const parts = { launcher: this, target, immutable: false, callbacks: NO_CALLBACKS };
    const signature = new Signature(parts, args, options);
    return this.launch(signature as Composable, [], {}, where) as Promise<AsyncResult<R, C>>;
  }

  /** Sends a workflow, with these arguments in front and these options on top. */
  launch(
    node: Composable,
    args: readonly unknown[],
    options: SendOptions,
    where?: 'to the broker',
  ): Promise<AsyncResult | GroupResult> {
    if (options.publishRetry !== undefined) return Promise.reject(ofTheApp(nameOf(node)));
    if (options.transaction !== undefined)
      return this.#within(options, where, ({ launcher }, own) => launcher.launch(node, args, own, where));
    const { tracing } = this.params;
    if (tracing === undefined || this.#staysHere(where))
      return asChild(this.#launch(node, args, options, where));
    // All of its tasks share one trace, wherever they are sent from.
    return tracing.span({ name: nameOf(node), kind: 'producer' }, async (span) => {
      const result = await asChild(this.#launch(node, args, options, where));
      span.set({
        'messaging.system': 'celeriac',
        'messaging.operation.type': 'send',
        'messaging.message.id': result.id,
      });
      return result;
    });
  }

  /** If calls run in this process, workflows do too. */
  #staysHere(where: 'to the broker' | undefined): boolean {
    return this.params.sender.detour !== null && where === undefined;
  }

  /** Runs a call in the transaction it was given. One that runs in this process runs at once. */
  #within<R>(
    { transaction, ...own }: SendOptions,
    where: 'to the broker' | undefined,
    body: (scope: LaunchScope, own: CallOptions) => Promise<R>,
  ): Promise<R> {
    if (transaction === undefined || this.#staysHere(where))
      return body({ sender: this.params.sender, launcher: this }, own);
    return this.params.inTransaction(transaction, (scope) => body(scope, own));
  }

  async #launch(
    node: Composable,
    args: readonly unknown[],
    options: CallOptions,
    where: 'to the broker' | undefined,
  ): Promise<AsyncResult | GroupResult> {
    const { clock, ids, sender, results } = this.params;
    const { link, linkError, ...own } = options;
    const carried = link === undefined && linkError === undefined ? node : withCallbacks(node, options);
    if (this.#staysHere(where)) return this.here().launch(carried, args, own);
    await clock.sync();
    const again = await this.#again(carried, args, own);
    const root = again?.root ?? (await compile(sender, carried, args, own));
    const plan: Plan = { v: 1, root, sentAt: clock.now() };
    const flow = again?.flow ?? ids.nextFlow();
    const how = again === undefined ? 'new' : 'again';
    if (root.kind === 'task' && carried instanceof Signature)
      return this.#launchTask(flow, { ...plan, root }, carried as Signature, args, { ...own, how });
    await this.deliver(flow, plan, how, own.acceptance);
    return results.ofPlan(flow, plan);
  }

  /**
   * Runs workflows in this process.
   * @param detour where their tasks run; default: where all calls go
   */
  here(detour?: Detour): InlineLauncher {
    const { sender, results } = this.params;
    return new InlineLauncher({
      sender,
      source: results.source,
      groups: this.#groupsHere,
      ...(detour !== undefined && { detour }),
    });
  }

  /** Runs one task in this process, with its callbacks. The detour gives only EagerResults. */
  async apply<R, C>(
    target: CallTarget,
    args: readonly unknown[],
    options: CallOptions,
    detour: Detour,
  ): Promise<EagerResult<R, C>> {
    if (!hasCallbacks(options)) {
      const sent: unknown = await this.params.sender.send<R>(target, args, options, { detour });
      return sent as EagerResult<R, C>;
    }
    const parts = { launcher: this, target, immutable: false, callbacks: NO_CALLBACKS };
    const signature = new Signature(parts, args, options) as Composable;
    const sent: unknown = await this.here(detour).launch(signature, [], {});
    return sent as EagerResult<R, C>;
  }

  /** A task with callbacks may be unique, like any other call. */
  async #launchTask(
    flow: string,
    plan: Plan & { readonly root: Leaf },
    signature: Signature,
    args: readonly unknown[],
    { how, ...options }: CallOptions & { readonly how: Delivering },
  ): Promise<AsyncResult | GroupResult> {
    const { sender, unique, results } = this.params;
    const { target, immutable } = Signature.partsOf(signature);
    const all = immutable ? signature.args : [...args, ...signature.args];
    const merged = merge<CallOptions>(signature.options, options);
    const call = await sender.uniqueFor(target, all, merged);
    const { root } = plan;
    const keyed = call && { ...plan, root: { ...root, fields: { ...root.fields, unique: call.key } } };
    const deliver = () => this.deliver(flow, keyed ?? plan, how, merged.acceptance);
    if (call === undefined) await deliver();
    else {
      const mine = { taskId: resultId(flow, root), queue: root.queue, jobId: jobIdOf(flow, ROOT, root) };
      const holder = await unique.send(call, mine, deliver);
      if (holder !== undefined) return new AsyncResult(results.source, holder.taskId, { ref: holder.job });
    }
    return results.ofPlan(flow, keyed ?? plan);
  }

  /** With the id of an earlier result, the workflow was sent before and may have arrived or not: sends it again. */
  async #again(
    node: Composable,
    args: readonly unknown[],
    { taskId, ...options }: CallOptions,
  ): Promise<{ readonly flow: string; readonly root: PlanNode } | undefined> {
    const part = taskId === undefined ? undefined : partOf(taskId);
    if (part === undefined) return undefined;
    const root = await compile(this.params.sender, node, args, options);
    return resultId(part.flow, root) === taskId ? { flow: part.flow, root } : undefined;
  }

  /** Writes the plan and sends the first parts. */
  async deliver(flow: string, plan: Plan, how: Delivering, acceptance?: Acceptance): Promise<void> {
    const { plans, engine, producer } = this.params;
    const replicated = how !== 'replacement' && producer.replicated(acceptance);
    // A task that runs again gets the replacement of its first run, even if it asks for another now.
    const known = how === 'replacement' ? await plans.get(flow) : undefined;
    const sent = known ?? plan;
    const text = JSON.stringify(sent);
    const release = engine.hold();
    try {
      // The replacement takes over the replaced task's id, which leads to it.
      const own = how === 'replacement' ? resultId(flow, sent.root) : undefined;
      const claimed = customIds(flow, sent.root, ROOT).filter(({ id }) => id !== own);
      const delayMs = delaysIn(sent.root, this.params.clock.now());
      const send = () => this.#send(flow, sent, text, { how, replicated });
      await naming(resultId(flow, sent.root), this.params.index.claimAll(claimed, send, delayMs));
    } finally {
      release();
    }
  }

  /**
   * Sends a workflow out of an outbox, once, however often it is relayed. Its delays and expiries count from its call.
   * @param mark by which the broker knows it again
   */
  async relay(flow: string, plan: Plan, mark: string, replicated: boolean): Promise<void> {
    const send = () => this.#send(flow, plan, JSON.stringify(plan), { how: 'relayed', replicated, mark });
    const delayMs = delaysIn(plan.root, plan.sentAt);
    await this.params.index.claimAll(customIds(flow, plan.root, ROOT), send, delayMs);
    await this.relayed(flow, plan);
  }

  /**
   * What follows the sending of {@link relay}, also where another relay sent it and died. Only from here on the workflow
   * is checked: before, it has no jobs, for as long as the outbox cannot be reached.
   */
  async relayed(flow: string, plan: Plan): Promise<void> {
    const begun = firstStarts(plan);
    await this.params.engine.flows.watch(flow, this.#lookAt(begun, plan.sentAt), true);
    await this.#beginEmpty(flow, plan, begun);
  }

  async #send(flow: string, plan: Plan, text: string, { how, replicated, mark }: Sending): Promise<void> {
    const { engine, producer, clock, plans } = this.params;
    const begun = firstStarts(plan);
    const tasks = begun.filter((start) => start.kind === 'task');
    const now = how === 'relayed' ? plan.sentAt : clock.now();
    const envelopes =
      tasks.length > MOST_TOGETHER
        ? [this.#beginLater(flow, tasks, now)]
        : tasks.map((start) => envelopeOf(flow, plan, start, { input: undefined, parentId: undefined, now }));
    const id = resultId(flow, plan.root);
    let mayExist = how !== 'new';
    let tried = false;
    const first = async () => {
      const stranger = !mayExist;
      // From here on an existing record may be this call's own: an attempt can fail after the write, or lose its
      // answer.
      mayExist = true;
      const lookAt = how === 'relayed' ? clock.now() + UNATTENDED_MS : this.#lookAt(begun, now);
      const [made] = await Promise.all([
        engine.flows.create(flow, text, UNATTENDED_MS + delaysIn(plan.root, now)),
        engine.flows.watch(flow, lookAt, true),
      ]);
      // Only then is this plan the stored one.
      if (made) plans.keep(flow, plan, text.length);
      if (!made && stranger) throw new DuplicateTaskError(`The workflow id "${flow}" is taken.`, id);
      // Sent by an earlier call, not by an attempt of this one whose answer was lost.
      if (!made && how === 'again' && !tried) await this.#refuseArrived(envelopes, id);
      tried = true;
    };
    await producer.together(envelopes, id, first, { replicated, ...(mark !== undefined && { mark }) });
    if (how !== 'relayed') await this.#beginEmpty(flow, plan, begun);
  }

  /** When to check a workflow that begins with these parts. */
  #lookAt(begun: readonly Start[], now: number): number {
    const { clock, sentWithinMs } = this.params;
    return Math.min(clock.now() + sentWithinMs, expiryOf(begun, now) ?? Number.POSITIVE_INFINITY);
  }

  async #beginEmpty(flow: string, plan: Plan, begun: readonly Start[]): Promise<void> {
    const empty = begun.filter((start) => start.kind === 'empty');
    if (empty.length === 0) return;
    await this.params.progress.begin(flow, plan, empty, { input: undefined, parentId: undefined });
  }

  /** @throws {DuplicateTaskError} when the call being repeated had arrived */
  async #refuseArrived([first]: readonly Envelope[], id: string): Promise<void> {
    if (first === undefined) return;
    const [job] = await this.params.jobs.read([{ queue: first.queue, id: first.jobId }]);
    if (job === undefined) return;
    throw new DuplicateTaskError(`The workflow of "${id}" was sent before, and had arrived.`, id);
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
}

function hasCallbacks({ link, linkError }: CallOptions): boolean {
  return link !== undefined || linkError !== undefined;
}

/** A new workflow, one sent before that may have arrived, the replacement of a task, or one out of an outbox. */
type Delivering = 'new' | 'again' | 'replacement' | 'relayed';

interface Sending {
  readonly how: Delivering;
  readonly replicated: boolean;
  readonly mark?: string;
}

/** The id of a workflow's result. */
function resultId(flow: string, root: PlanNode): string {
  const final = finalOf(root, ROOT);
  return idOf(flow, final, nodeAt({ v: 1, root, sentAt: 0 }, final));
}

/** The name of its span. */
function nameOf(node: Composable): string {
  return node instanceof Workflow ? node.content.kind : (node as unknown as Signature).task;
}

function withCallbacks(node: Composable, { link, linkError }: CallOptions): Composable {
  const settable = node as Composable & { set(options: CallOptions): Composable };
  return settable.set({ ...(link !== undefined && { link }), ...(linkError !== undefined && { linkError }) });
}
