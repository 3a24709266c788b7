/**
 * Makes the streams of running calls, and counts them. One per app; a thread's app has its own.
 */
import type { Engine } from '../broker/broker.js';
import type { BrokerClock } from '../broker/clock.js';
import type { StoredChunk } from '../broker/streams.js';
import { isCeleriacError } from '../errors.js';
import type { RunPolicy } from '../options/task-options.js';
import type { Delivery } from '../queue/delivery.js';
import type { WireCodec } from '../tasks/wire-codec.js';
import { attemptOf, originOf } from './attempt.js';
import { CallStream } from './call-stream.js';
import type { ChunkSink } from './outgoing.js';

/**
 * How long a stream is kept after its last chunk while its task goes on, or if nobody is left to end it, ms. The end of
 * the task sets how long it is kept from there.
 */
export const UNFINISHED_MS = 30 * 86_400_000;

/** What the stream of a call needs of it. */
export interface StreamingCall {
  readonly delivery: Delivery;
  readonly log: { warn(fields: object, message: string): void };
}

/** The bounds of a stream. */
export type StreamPolicy = Pick<RunPolicy, 'streamMaxChunks' | 'streamMaxBytes'>;

/** The chunks of a call that writes them elsewhere. */
export interface StreamCount {
  /** It has written its chunks up to this index, not including it. */
  upTo(next: number): void;
  /** The call is over. To be called once. */
  end(): void;
}

export interface StreamWritersParams {
  readonly engine: Pick<Engine, 'streams' | 'isUnavailable'>;
  readonly clock: BrokerClock;
  readonly codec: WireCodec;
}

export class StreamWriters {
  /** The names of tasks that have streamed here. */
  readonly #names = new Set<string>();
  #open = 0;
  #chunks = 0;

  constructor(private readonly params: StreamWritersParams) {}

  /** Streams of running calls. */
  get openStreams(): number {
    return this.#open;
  }

  /** Chunks sent so far. */
  get chunks(): number {
    return this.#chunks;
  }

  /**
   * Whether an earlier attempt of this task, or one before it woke up, may have left a stream. A task that runs here and
   * streams is known by its name; of one that is only ended here nothing is known.
   */
  mayHaveStreamed({ name, deliveries, wakings = 0, woken }: Delivery, started: boolean): boolean {
    const waited = wakings > 0 || woken !== undefined;
    return (deliveries > 1 || waited) && (!started || waited || this.#names.has(name));
  }

  /** The stream of a call, whose chunks go to the broker. */
  open(call: StreamingCall, policy: StreamPolicy): CallStream {
    return this.openTo(call, policy, this.#sinkOf(call, policy));
  }

  /** The stream of a call, whose chunks go elsewhere. */
  openTo({ delivery }: StreamingCall, policy: StreamPolicy, sink: ChunkSink): CallStream {
    const { clock, codec } = this.params;
    const { name, message } = delivery;
    const writing = codec.writingFor(name, message);
    this.#open++;
    this.#names.add(name);
    return new CallStream({
      taskName: name,
      sink,
      mostBytes: policy.streamMaxBytes,
      now: () => Math.round(clock.now()),
      encode: (chunk) => codec.encodeChunk(chunk, name, writing),
      onChunk: () => this.#chunks++,
      onEnd: () => this.#open--,
    });
  }

  /** Counts the chunks of a call that are sent in a thread. */
  elsewhere(): StreamCount {
    let counted: number | undefined;
    return {
      upTo: (next) => {
        if (counted === undefined) this.#open++;
        this.#chunks += Math.max(0, next - (counted ?? 0));
        counted = Math.max(next, counted ?? 0);
      },
      end: () => {
        if (counted !== undefined) this.#open--;
      },
    };
  }

  #sinkOf({ delivery, log }: StreamingCall, { streamMaxChunks, streamMaxBytes }: StreamPolicy): ChunkSink {
    const { engine } = this.params;
    const { ref, token, name, taskId } = delivery;
    const stream = {
      ref,
      token,
      origin: originOf(delivery),
      attempt: attemptOf(delivery),
      mostChunks: streamMaxChunks,
      mostBytes: streamMaxBytes,
      ttlMs: UNFINISHED_MS,
    };
    return {
      write: (first: number, chunks: readonly StoredChunk[]) =>
        engine.streams.append({ ...stream, first, chunks }),
      isClosed: (error) => isCeleriacError(error, 'APP_CLOSED'),
      onTrouble: (error) => {
        // The engine reports an outage, once for all.
        if (!engine.isUnavailable(error))
          log.warn({ error }, `the broker refused chunks of ${name} (${taskId}); they are written again`);
      },
    };
  }
}
