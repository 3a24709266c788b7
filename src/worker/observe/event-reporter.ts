/**
 * What a worker tells of its tasks and of itself, as events. An end is told once it is written, so that whoever hears
 * of it can read it. While nobody listens this is a look at `active`.
 */
import { loadavg } from 'node:os';
import type { BrokerClock } from '../../broker/clock.js';
import type { Events } from '../../events/events.js';
import type { AppEvent, EventMap } from '../../events/names.js';
import type { Logger } from '../../options/logger.js';
import type { Delivery } from '../../queue/delivery.js';
import { decodeResult } from '../../tasks/serializer.js';
import { VERSION } from '../../version.js';
import type { RunWatch } from '../run/execute.js';
import type { Execution } from '../run/outcome.js';
import { within } from '../within.js';

export interface EventReporterParams {
  readonly events: Events;
  readonly clock: BrokerClock;
  readonly logger: Logger;
  /** Another process tells of the node itself. */
  readonly part?: boolean;
  node(): string;
  running(): number;
  /** Tasks that may run at once. */
  concurrency(): number;
  processed(): number;
  queues(): readonly string[];
}

/** Listeners of the worker's own coming and going have this long before it goes on. */
const LISTENERS_MS = 10_000;
/** Celery: every two seconds. */
const HEARTBEAT_MS = 2_000;
/** Texts of errors are cut here. */
const MOST_TEXT = 1_000;
/** As JSON; more is a payload. */
const MOST_META = 2_000;

const GOES_ON: ReadonlySet<Execution['outcome']['kind']> = new Set(['retry', 'handBack', 'later']);

export class EventReporter implements RunWatch {
  #heart: NodeJS.Timeout | undefined;
  #leave: () => void = () => undefined;
  #isOnline = false;

  constructor(private readonly params: EventReporterParams) {}

  get active(): boolean {
    return this.params.events.active;
  }

  /**
   * The worker is about to take tasks. From here on its heart beats, while somebody listens. Resolves when the listeners of
   * this process are through with it, or after a while.
   */
  async online(): Promise<void> {
    if (this.params.part === true || this.#isOnline) return;
    this.#isOnline = true;
    this.#leave = this.params.events.onActive(() => this.#beat());
    await this.#announce({ type: 'worker-online', ...this.#facts() });
  }

  /** The worker has stopped; resolves when that has been said and heard. */
  async offline(): Promise<void> {
    clearTimeout(this.#heart);
    this.#leave();
    if (this.#isOnline) await this.#announce({ type: 'worker-offline', ...this.#facts() });
    this.#isOnline = false;
    if (this.active) await this.params.events.flush();
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

  /** Never throws: what became of a task must not hang on what is said about it. */
  ended(delivery: Delivery, execution: Execution): void {
    const events = this.#endOf(delivery, execution);
    if (events.length === 0) return;
    if (!execution.started && events.some(({ type }) => type !== 'task-rejected')) this.#received(delivery);
    // A task that goes on may begin again elsewhere as soon as this is written: then it is told before.
    if (GOES_ON.has(execution.outcome.kind)) this.#emitAll(events);
    else delivery.afterwards(async () => this.#emitAll(events));
  }

  #endOf(delivery: Delivery, { outcome, started, runtimeMs: runtime, task }: Execution): AppEvent[] {
    const fields = this.#taskFields(delivery);
    switch (outcome.kind) {
      case 'success':
      case 'ignore':
      case 'replaced':
        return [{ type: 'task-succeeded', ...fields, runtime }];
      case 'failure': {
        const failed = { type: 'task-failed', ...fields, runtime, exception: textOf(outcome.error) } as const;
        return outcome.rejected ? [{ type: 'task-rejected', ...fields, requeue: false }, failed] : [failed];
      }
      case 'retry': {
        const exception = textOf(outcome.error);
        return [{ type: 'task-retried', ...fields, runtime, exception, countdown: outcome.delayMs }];
      }
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
      case 'handBack':
        return [{ type: 'task-rejected', ...fields, requeue: true }];
      case 'later':
        // A task that waits for its time or its turn is nobody's news; one that nobody here knows is.
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
    });
  }

  /** Beats until nobody listens any more. */
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

  #taskFields({ taskId, name, queue, retries, message }: Delivery) {
    const { shadow } = message;
    return {
      timestamp: this.params.clock.now(),
      id: taskId,
      name,
      ...(shadow !== undefined && { shadow }),
      queue,
      node: this.params.node(),
      pid: process.pid,
      retries,
    };
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

/** What is sealed is for nobody here to open. */
function readableMeta(meta: unknown): { meta: unknown } | undefined {
  try {
    return { meta: decodeResult(meta) };
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
