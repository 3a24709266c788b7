/**
 * BullMQ's own `Queue` objects on the connection of an app, one for each name: for dashboards, figures, and jobs of a
 * program's own. They must change nothing of a queue by being made.
 */
import { Queue, type QueueOptions, type Worker } from 'bullmq';
import type { Engine } from '../broker/broker.js';
import { AppClosedError } from '../errors.js';
import { checkQueueName } from '../options/checks.js';
import { checkDeclared, type DeclaredQueues } from '../options/queues.js';
import { settleAll } from '../settle-all.js';
import type { Telemetry } from './tracing.js';

/** BullMQ's class of this name. */
export type BullmqQueue = Queue;
/** BullMQ's class of this name. */
export type BullmqWorker = Worker;

export interface RawQueuesParams {
  readonly engine: Engine;
  readonly telemetry: Telemetry | undefined;
  /** The queues that the app has; undefined: any. */
  readonly declared: DeclaredQueues;
  /** Takes the errors of queues without a listener of their own; an unreachable broker is reported by the engine. */
  onError(error: Error): void;
}

export class RawQueues {
  readonly #open = new Map<string, OwnQueue>();
  #closed = false;

  constructor(private readonly params: RawQueuesParams) {}

  /**
   * The queue of this name, the same each time until it is closed.
   * @throws {OptionError} for a name that is none, or not declared
   * @throws {AppClosedError} after `close()`
   */
  get(name: string): Queue {
    checkQueueName(name, 'app.bullmq()');
    checkDeclared(this.params.declared, name, 'app.bullmq()');
    if (this.#closed) throw new AppClosedError();
    const known = this.#open.get(name);
    if (known !== undefined) return known;
    const { engine, telemetry, onError } = this.params;
    const { connection, prefix, factory, release } = engine.bullmq();
    const queue = new OwnQueue(
      name,
      {
        connection: connection as never,
        ...(prefix !== undefined && { prefix }),
        ...(telemetry !== undefined && { telemetry }),
        skipMetasUpdate: true,
      },
      factory,
      () => {
        this.#open.delete(name);
        release?.();
      },
    );
    queue.on('error', (error) => {
      if (!engine.isUnavailable(error)) onError(error);
    });
    this.#open.set(name, queue);
    return queue;
  }

  /** Closes those that are open. May be called twice. */
  async close(): Promise<void> {
    this.#closed = true;
    await settleAll([...this.#open.values()].map((queue) => queue.close()));
  }
}

/** A Queue that gives back its share of the connection when it is closed. */
class OwnQueue extends Queue {
  constructor(
    name: string,
    options: QueueOptions,
    factory: unknown,
    private readonly onClosed: () => void,
  ) {
    super(name, options, factory as never);
  }

  override async close(): Promise<void> {
    try {
      await super.close();
    } finally {
      this.onClosed();
    }
  }
}
