/**
 * Publishes a worker's events: those of its tasks and its own. The end of a task is published after it is written, so
 * that listeners can read it. Without listeners the cost is one look at `active`.
 */
import { loadavg } from 'node:os';
import type { BrokerClock } from '../../broker/clock.js';
import type { Events } from '../../events/events.js';
import type { AppEvent, EventMap, LifecyclePlace } from '../../events/names.js';
import type { Logger } from '../../options/logger.js';
import type { Delivery } from '../../queue/delivery.js';
import { isCompressed } from '../../tasks/compression.js';
import { decodeResult } from '../../tasks/serializer.js';
import { VERSION } from '../../version.js';
import type { RunWatch } from '../run/executor-params.js';
import type { Execution } from '../run/outcome.js';
import { within } from '../within.js';
import { LISTENERS_MS, LifecycleEvents } from './lifecycle-events.js';
import { taskFields } from './task-fields.js';

export interface EventReporterParams {
  readonly events: Events;
  readonly clock: BrokerClock;
  readonly logger: Logger;
  /** Where this worker runs: for a process of a pool, its supervisor publishes the node's own events. */
  readonly place: LifecyclePlace;
  node(): string;
  running(): number;
  /** Number of tasks that may run at once. */
  concurrency(): number;
  processed(): number;
  queues(): readonly string[];
}

/** Celery: every two seconds. */
const HEARTBEAT_MS = 2_000;
/** Error texts are cut to this length. */
const MOST_TEXT = 1_000;
/** Progress metadata longer than this as JSON is omitted. */
const MOST_META = 2_000;

const GOES_ON: ReadonlySet<Execution['outcome']['kind']> = new Set([
  'retry',
  'requeue',
  'wait',
  'handBack',
  'later',
]);

export class EventReporter implements RunWatch {
  #heart: NodeJS.Timeout | undefined;
  #leave: () => void = () => undefined;
  #isOnline = false;

  /** What happens to the worker itself, for this process alone. */
  readonly life: LifecycleEvents;

  constructor(private readonly params: EventReporterParams) {
    this.life = new LifecycleEvents(params);
  }

  get active(): boolean {
    return this.params.events.active;
  }

  /**
   * Publishes that the worker is about to take tasks, and starts the heartbeat, which runs while there are listeners.
   * Resolves when the listeners of this process have finished, or after `LISTENERS_MS`.
   */
  async online(): Promise<void> {
    if (this.params.place === 'process' || this.#isOnline) return;
    this.#isOnline = true;
    this.#leave = this.params.events.onActive(() => this.#beat());
    await this.#announce({ type: 'worker-online', ...this.#facts() });
  }

  /** Publishes that the worker has stopped; resolves when that is sent and the listeners have finished. */
  async offline(): Promise<void> {
    clearTimeout(this.#heart);
    this.#leave();
    if (this.#isOnline) await this.#announce({ type: 'worker-offline', ...this.#facts() });
    this.#isOnline = false;
    if (this.active) await this.params.events.flush();
  }

  /** Another worker of the fleet was lost. */
  lost(node: string): void {
    const { clock, logger } = this.params;
    logger.warn({ lost: node }, 'a worker was lost: it stopped being heard without leaving');
    this.#emit({ type: 'worker-lost', timestamp: clock.now(), node });
  }

  started(delivery: Delivery): void {
    this.#received(delivery);
    this.#emit({ type: 'task-started', ...this.#taskFields(delivery) });
  }

  progress(delivery: Delivery, progress: object): void {
    if (!this.active) return;
    const { state, meta } = progress as { state: string; meta?: unknown };
    const small = meta !== undefined && (JSON.stringify(meta) ?? '').length <= MOST_META;
    const shown = small ? readableMeta(meta) : undefined;
    this.#emit({ type: 'task-progress', ...this.#taskFields(delivery), state, ...shown });
  }

  /** Never throws: reporting must not change the outcome of a task. */
  ended(delivery: Delivery, execution: Execution): void {
    const events = this.#endOf(delivery, execution);
    if (events.length === 0) return;
    if (!execution.started && events.some(({ type }) => type !== 'task-rejected')) this.#received(delivery);
    // A task that goes on may begin elsewhere as soon as this is written, so its event is published before.
    if (GOES_ON.has(execution.outcome.kind)) this.#emitAll(events);
    else delivery.afterwards(async () => this.#emitAll(events));
  }

  #endOf(delivery: Delivery, { outcome, started, runtimeMs: runtime, task }: Execution): AppEvent[] {
    const fields = this.#taskFields(delivery);
    const { details } = this.params.events;
    switch (outcome.kind) {
      case 'success':
        return [
          { type: 'task-succeeded', ...fields, runtime, ...details?.result(outcome.encoded, delivery) },
        ];
      case 'ignore':
      case 'replaced':
        return [{ type: 'task-succeeded', ...fields, runtime }];
      case 'failure': {
        const exception = textOf(outcome.error);
        const stack = details?.stack(outcome.error, delivery);
        const failed = { type: 'task-failed', ...fields, runtime, exception, ...stack } as const;
        return outcome.rejected ? [{ type: 'task-rejected', ...fields, requeue: false }, failed] : [failed];
      }
      case 'retry': {
        const error = { exception: textOf(outcome.error), ...details?.stack(outcome.error, delivery) };
        return [{ type: 'task-retried', ...fields, runtime, ...error, countdown: outcome.delayMs }];
      }
      case 'wait':
        return [{ type: 'task-waiting', ...fields, runtime, waits: outcome.waits }];
      case 'revoked': {
        const { reason, expired = false } = outcome;
        return [
          {
            type: 'task-revoked',
            ...fields,
            ...(reason !== undefined && { reason: reason.slice(0, MOST_TEXT) }),
            terminated: started,
            expired,
          },
        ];
      }
      case 'requeue':
      case 'handBack':
        return [{ type: 'task-rejected', ...fields, requeue: true }];
      case 'later':
        // A task that is delayed or waits for its turn is not reported; a task unknown here is.
        return task === undefined ? [{ type: 'task-rejected', ...fields, requeue: true }] : [];
      case 'move':
      case 'lost':
        return [];
    }
  }

  #received(delivery: Delivery): void {
    const { message, taskId, sentAt, deliveries } = delivery;
    const { root, parent, eta, expires } = message;
    this.#emit({
      type: 'task-received',
      ...this.#taskFields(delivery),
      sentAt,
      deliveries,
      rootId: root ?? taskId,
      ...(parent !== undefined && { parentId: parent }),
      ...(eta !== undefined && { eta }),
      ...(expires !== undefined && { expires }),
      ...this.params.events.details?.args(delivery),
    });
  }

  /** Sends heartbeats until the last listener leaves. */
  #beat(): void {
    clearTimeout(this.#heart);
    if (!this.active) return;
    this.#emit({ type: 'worker-heartbeat', ...this.#facts() });
    this.#heart = setTimeout(() => this.#beat(), HEARTBEAT_MS).unref();
  }

  async #announce(event: EventMap['worker-online' | 'worker-offline']): Promise<void> {
    if (!this.active) return;
    const heard = this.params.events.announce(event).then(() => true);
    if (await within(heard, false, LISTENERS_MS)) return;
    this.params.logger.warn(
      { event: event.type, afterMs: LISTENERS_MS },
      `a listener of app.on('${event.type}') takes long; the worker goes on without it`,
    );
  }

  #emitAll(events: readonly AppEvent[]): void {
    for (const event of events) this.#emit(event);
  }

  #emit(event: AppEvent): void {
    if (this.active) this.params.events.emit(event);
  }

  #taskFields(delivery: Delivery) {
    return taskFields(delivery, { timestamp: this.params.clock.now(), node: this.params.node() });
  }

  #facts(): Omit<EventMap['worker-heartbeat'], 'type'> {
    const { clock } = this.params;
    return {
      timestamp: clock.now(),
      node: this.params.node(),
      pid: process.pid,
      active: this.params.running(),
      processed: this.params.processed(),
      concurrency: this.params.concurrency(),
      queues: this.params.queues(),
      loadavg: loadavg(),
      freq: HEARTBEAT_MS,
      version: VERSION,
    };
  }
}

/** Omits metadata that is sealed. */
function readableMeta(stored: unknown): { meta: unknown } | undefined {
  try {
    const meta = decodeResult(stored);
    return isCompressed(stored) && JSON.stringify(meta).length > MOST_META ? undefined : { meta };
  } catch {
    return undefined; // the app's own serializer wrote it, and perhaps to keep it from others
  }
}

function textOf(error: unknown): string {
  try {
    const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    return text.length > MOST_TEXT ? `${text.slice(0, MOST_TEXT - 1)}…` : text;
  } catch {
    return 'a thrown value that cannot be examined';
  }
}
