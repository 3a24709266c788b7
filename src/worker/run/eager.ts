/**
 * Runs calls in the caller's process, through the same steps as a worker: arguments encoded as for sending, hooks,
 * middleware, limits and retries, which follow each other without delay. It must write to nothing but its result.
 */

import type { Detour } from '../../calls/call-stages.js';
import type { InlineLauncher } from '../../canvas/workflow/inline.js';
import { NotRegisteredError, TaskFailedError, TaskRevokedError } from '../../errors.js';
import { queueOfLane } from '../../protocol/lanes.js';
import { changeMessage, readMessage } from '../../protocol/message.js';
import { type StepView, stepViews } from '../../protocol/steps.js';
import { errorNameOf } from '../../protocol/wire-error.js';
import type { Delivery } from '../../queue/delivery.js';
import type { Envelope } from '../../queue/producer.js';
import type { RetryChange } from '../../queue/settlement.js';
import type { Update } from '../../results/async-result.js';
import { EagerResult } from '../../results/eager-result.js';
import type { ResultSource } from '../../results/result-source.js';
import type { Snapshot } from '../../results/snapshot.js';
import { FAILURE, isBuiltIn, REVOKED, STARTED, type State, SUCCESS } from '../../states.js';
import { MemorySteps } from '../../steps/memory-steps.js';
import { attemptOf } from '../../streams/attempt.js';
import { MemoryStream } from '../../streams/memory-stream.js';
import type { StreamWriters } from '../../streams/stream-writers.js';
import type { CalledTask } from '../../tasks/context.js';
import { shownInstead } from '../../tasks/shown-arguments.js';
import type { WireCodec } from '../../tasks/wire-codec.js';
import { InlineSpawner } from '../workflow/spawn-inline.js';
import type { CallHost } from './call-host.js';
import { Executor } from './execute.js';
import type { ExecutorParams } from './executor-params.js';
import type { Outcome } from './outcome.js';

export interface EagerParams
  extends Omit<ExecutorParams, 'host' | 'limits' | 'elsewhere' | 'eager' | 'spawning' | 'streams'> {
  readonly host: CallHost;
  readonly results: ResultSource;
  readonly streams: StreamWriters;
  /** Runs workflows in this process. */
  here(detour: Detour): InlineLauncher;
  /** Creates the services that were registered as classes. */
  prepare(): Promise<void>;
}

/** How an eager call was made. */
export interface EagerMode {
  /** Called by `delay()` or `applyAsync()`, which normally send. */
  readonly sent: boolean;
  /** A failing task throws at the call (Celery: `task_eager_propagates`). */
  readonly propagates: boolean;
}

export class EagerRunner {
  constructor(private readonly params: EagerParams) {}

  /**
   * Runs a call from its first attempt to its end.
   * @throws {NotRegisteredError} when the task is not registered here
   */
  async run<R>(envelope: Envelope, mode: EagerMode): Promise<EagerResult<R>> {
    const { registry, results } = this.params;
    const { name } = envelope;
    if (registry.get(name) === undefined) {
      throw new NotRegisteredError(
        `${name} cannot run here and now: the task's code is not registered in this process. ` +
          'Register its service, or let a worker run it.',
      );
    }
    await this.params.prepare();
    const startedAt = this.#now();
    const updates: Update[] = [];
    const records = new MemorySteps();
    const ended = await this.#untilEnded(envelope, mode, updates, records);
    const { outcome, retries, deliveries, chunks, children } = ended;
    if (mode.propagates && outcome.kind === 'failure') throw outcome.error;
    const end = this.#endOf<R>(envelope, outcome);
    updates.push({ state: end.state, meta: updates.at(-1)?.meta });
    const snapshot = this.#snapshot<R>(ended.envelope, {
      ...end,
      retries,
      deliveries,
      startedAt,
      meta: updates.at(-1)?.meta,
      steps: stepViews(records.fields, Number.POSITIVE_INFINITY),
    });
    const ignored = outcome.kind === 'ignore';
    const endsWorkflow = outcome.kind === 'success' && outcome.ends === true;
    return new EagerResult<R>(results, {
      snapshot,
      updates,
      sent: mode.sent,
      ignored,
      endsWorkflow,
      chunks,
      children,
    });
  }

  #now(): Date {
    return new Date(this.params.clock.now());
  }

  async #untilEnded(
    sent: Envelope,
    mode: EagerMode,
    updates: Update[],
    records: MemorySteps,
  ): Promise<Ended> {
    let envelope = sent;
    // A replacement's failure becomes the task's own; it must not throw here.
    const inside = { ...mode, propagates: false };
    const detour: Detour = { sends: mode.sent, run: (inner) => this.run(inner, inside) };
    const spawning = new InlineSpawner(this.params.here(detour), this.params.codec);
    const { stepping: here } = this.params;
    const stepping = here && { ...here, records, inline: true };
    let chunks: MemoryStream | undefined;
    const streams: ExecutorParams['streams'] = {
      open: (call, policy) => {
        chunks = new MemoryStream(attemptOf(call.delivery), policy);
        return this.params.streams.openTo(call, policy, chunks);
      },
    };
    const executor = new Executor({ ...this.params, streams, spawning, stepping, eager: true });
    let retries = 0;
    for (let deliveries = 1; ; deliveries++) {
      chunks = undefined;
      const { outcome, hooks, children } = await executor.execute(
        deliveryOf(envelope, { retries, deliveries }, updates, this.params.codec),
      );
      // No write follows here, so the hooks run as soon as the outcome is known.
      await hooks?.run(outcome);
      if (outcome.kind !== 'retry' && outcome.kind !== 'requeue')
        return { outcome, envelope, retries, deliveries, chunks, children };
      if (outcome.kind === 'retry') {
        envelope = changed(envelope, outcome.change);
        retries++;
      }
      // A task that retries for ever must leave the event loop free to end the process.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #endOf<R>({ taskId, name }: Envelope, outcome: Outcome): EagerEnd<R> {
    switch (outcome.kind) {
      case 'success': {
        const travelled: unknown = JSON.parse(JSON.stringify(outcome.encoded) ?? 'null');
        return { state: SUCCESS, value: this.params.codec.decodeResult(travelled) as R, error: undefined };
      }
      case 'failure':
        return { state: FAILURE, value: undefined, error: failed(taskId, name, outcome.error) };
      case 'revoked': {
        const error = new TaskRevokedError({ taskId, taskName: name, reason: outcome.reason });
        return { state: REVOKED, value: undefined, error };
      }
      default:
        return { state: SUCCESS, value: undefined, error: undefined };
    }
  }

  #snapshot<R>(envelope: Envelope, run: EagerEnd<R> & EagerCourse): Snapshot<R> {
    const message = readMessage(envelope.data);
    const { taskId, queue, name } = envelope;
    return {
      id: taskId,
      name,
      state: run.state,
      known: true,
      meta: run.meta,
      value: run.value,
      error: run.error,
      args:
        shownInstead(message, this.params.registry.get(name)) ?? this.params.codec.decodeArgs(message.args),
      queue,
      worker: this.params.host.node,
      retries: run.retries,
      deliveries: run.deliveries,
      rootId: message.root ?? taskId,
      parentId: message.parent,
      sentAt: new Date(envelope.sentAt),
      startedAt: run.startedAt,
      doneAt: this.#now(),
      headers: message.headers ?? {},
      tags: message.tags ?? [],
      steps: run.steps,
    };
  }
}

/** A run after its last attempt. */
interface Ended {
  readonly outcome: Outcome;
  /** The call, as retries have changed it. */
  readonly envelope: Envelope;
  readonly retries: number;
  readonly deliveries: number;
  readonly chunks: MemoryStream | undefined;
  /** What its last attempt has called. */
  readonly children: readonly CalledTask[] | undefined;
}

/** A call as a retry has changed it. */
function changed(envelope: Envelope, change: RetryChange | undefined): Envelope {
  if (change === undefined) return envelope;
  const { args, fields, priority = envelope.priority, place = envelope.queue } = change;
  const data = JSON.stringify(changeMessage(envelope.data, args, fields));
  return { ...envelope, data, priority, queue: queueOfLane(place) };
}

/** How an eager run ended, as its snapshot shows it. */
interface EagerEnd<R> {
  readonly state: State;
  readonly value: R | undefined;
  readonly error: Error | undefined;
}

interface EagerCourse {
  readonly retries: number;
  readonly deliveries: number;
  readonly startedAt: Date;
  readonly meta: unknown;
  readonly steps: readonly StepView[];
}

function failed(taskId: string, taskName: string, error: unknown): TaskFailedError {
  const cause = error instanceof Error ? error : new Error(String(error));
  return new TaskFailedError({
    taskId,
    taskName,
    errorName: errorNameOf(error),
    message: cause.message,
    remoteStack: cause.stack,
    cause,
  });
}

function deliveryOf(
  envelope: Envelope,
  { retries, deliveries }: Pick<Ended, 'retries' | 'deliveries'>,
  updates: Update[],
  codec: WireCodec,
): Delivery {
  const { taskId, jobId, queue, name } = envelope;
  // Eager calls run now, whatever `eta` the call has.
  const { eta: _, ...message } = readMessage(envelope.data);
  return {
    taskId,
    jobId,
    queue,
    ref: { queue, id: jobId },
    token: jobId,
    name,
    message,
    turn: undefined,
    hasParent: false,
    retries,
    deliveries,
    stalls: 0,
    priority: envelope.priority,
    sentAt: envelope.sentAt,
    trace: undefined,
    saveProgress: async (progress) => {
      const { state, meta } = JSON.parse(JSON.stringify(progress)) as Update;
      // A final state name set by hand shows its meta, but only the end of a task ends it.
      updates.push({ state: isBuiltIn(state) ? STARTED : state, meta: codec.decodeResult(meta) });
    },
    afterwards: () => undefined,
  };
}
