/**
 * One ioredis client of ours. It connects when first needed, fails fast or waits by its mode, lets the process exit while
 * it is not held, and reports each outage once, and its length when it is over.
 */
import type { Socket } from 'node:net';
import type { Redis } from 'ioredis';
import { AppClosedError, type BrokerUnavailableError } from '../../errors.js';
import { after } from '../../timers.js';
import type { EngineConfig } from '../broker.js';
import { DISCONNECT_MS, tended } from './client.js';
import { refusalIn, unavailable, withoutArguments } from './errors.js';
import { detectHalfOpen, type WatchedConnection } from './half-open.js';
import type { LinkOptions, RedisClient, RedisUrl } from './url.js';

/** How commands behave while the connection is lost: reject at once, or wait. */
export type LinkMode = 'fail-fast' | 'patient';

const MODES: Record<LinkMode, LinkOptions> = {
  // A rejected call must never be sent later: nothing is queued, nothing is sent again.
  'fail-fast': { enableOfflineQueue: false, autoResendUnfulfilledCommands: false, maxRetriesPerRequest: 0 },
  // BullMQ's workers demand null: their commands wait for the connection to return.
  patient: { enableOfflineQueue: true, maxRetriesPerRequest: null },
};

/**
 * How many commands of one tick leave in one write. Calls: all of them. A worker: the write that ends a task, with its
 * urgent notice. More would make bursts, and worker and server would take turns instead of working at the same time
 * (measured: half the throughput at concurrency 10).
 */
const TOGETHER: Record<LinkMode, { readonly most: number; readonly always: boolean }> = {
  'fail-fast': { most: Number.POSITIVE_INFINITY, always: true },
  patient: { most: 2, always: false },
};

/** An ioredis client with its life cycle. */
export class RedisConnection {
  readonly client: RedisClient;
  #becomingReady: Promise<void> | undefined;
  #held = false;
  #stopWatching: (() => void) | undefined;
  #closed = false;
  #everReady = false;
  #lostAt: number | undefined;
  #lastError: Error | undefined;

  constructor(
    private readonly target: RedisUrl,
    private readonly config: EngineConfig,
    private readonly mode: LinkMode,
    /** What it is for, as `CLIENT LIST` shows it behind the prefix. */
    role: string,
  ) {
    const client = target.connect({
      ...MODES[mode],
      disconnectTimeout: DISCONNECT_MS,
      // ioredis 6: the promise of a Cluster's connect() never settles when the Cluster's first check of itself fails.
      // BullMQ awaits it for a client that has not begun to connect, so the clients that BullMQ gets begin at once.
      lazyConnect: target.kind !== 'cluster' || mode !== 'patient',
      autoResubscribe: false,
      connectionName: `celeriac:${config.prefix}:${role}`,
      retryStrategy: (times) => this.#retryDelay(times),
    });
    this.client = tended(client, (each) => target.watch?.(each));
    this.client.on('error', (error: Error) => {
      this.#lastError = withoutArguments(error);
    });
    this.client.on('connect', () => this.#watch());
    this.client.on('ready', () => this.#onReady());
    this.client.on('close', () => this.#onLost());
    // A Cluster connects to a node at the first command for it, which may be long after the Cluster is ready.
    this.client.on('+node', (node: Redis) => node.on('ready', () => this.#adoptStreams()));
  }

  /** While `held`, the client keeps the process alive. Workers' clients are held from start to stop. */
  setHeld(held: boolean): void {
    this.#held = held;
    if (held && this.#everReady && !this.#closed && this.client.status === 'end')
      void this.client.connect().catch(() => undefined); // it was lost while nobody held it; ioredis tries on
    // A connecting socket would pile up these calls; 'ready' applies the state of that moment.
    if (!isReady(this.client)) return;
    for (const stream of streamsOf(this.client)) held ? stream.ref() : stream.unref();
  }

  /** Sends the next commands of this tick in one write, in modes that do not always do so. */
  joinWrites(): void {
    for (const stream of streamsOf(this.client)) stream[JOINED]?.arm();
  }

  /** What its sockets have received so far; begins anew with each connection. */
  get bytesRead(): number {
    let bytes = 0;
    for (const stream of streamsOf(this.client)) bytes += stream.bytesRead;
    return bytes;
  }

  /** Whether the client is connected and open. */
  get isReady(): boolean {
    return !this.#closed && isReady(this.client);
  }

  /**
   * Resolves when the client is connected.
   * @throws {BrokerUnavailableError} after the configured `connectTimeoutMs`
   * @throws {BrokerError} at once when the server refuses the client (a wrong password)
   * @throws {AppClosedError} after `close()`, since connecting would undo it
   */
  async ready(): Promise<void> {
    if (this.#closed) throw new AppClosedError();
    if (isReady(this.client)) return;
    const { status } = this.client;
    if (status === 'wait' || status === 'end' || status === 'close') {
      // The events below report the outcome; ioredis itself retries a failed first attempt.
      this.client.connect().catch((error: Error) => {
        this.#lastError ??= withoutArguments(error);
      });
    }
    // Concurrent calls share one wait.
    this.#becomingReady ??= this.#untilReady().finally(() => {
      this.#becomingReady = undefined;
    });
    await this.#becomingReady;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#stopWatching?.();
    this.client.disconnect();
    rejectUnsent(this.client);
  }

  #untilReady(): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (error?: Error) => {
        cancel();
        this.client.off('ready', onReady);
        this.client.off('error', onError);
        error === undefined ? resolve() : reject(error);
      };
      const onReady = () => settle();
      const onError = (error: Error) => {
        const refused = refusalIn(error, this.target.address);
        if (refused !== undefined) settle(refused);
      };
      const cancel = after(this.config.connectTimeoutMs, () => settle(this.unavailable()));
      this.client.on('ready', onReady);
      this.client.on('error', onError);
      if (isReady(this.client)) settle();
    });
  }

  /** The error for an unreachable broker. */
  unavailable(cause: unknown = this.#lastError): BrokerUnavailableError {
    return unavailable(this.target.address, cause);
  }

  #retryDelay(times: number): number | null {
    // An idle client stops trying, so that a script can end; ready() restarts it.
    if (this.#closed || (this.mode === 'fail-fast' && !this.#held)) return null;
    return Math.min(50 * 2 ** Math.min(times, 6), this.mode === 'patient' ? 2000 : 200);
  }

  /** Starts at the first connection, so that an unused client has no timer. */
  #watch(): void {
    if (this.#closed) return;
    this.#stopWatching ??= detectHalfOpen(
      () => linesOf(this.client),
      // The client treats the error as a lost connection: it reports the loss and reconnects.
      (stream) => {
        const error = new Error(`no answer from ${this.target.address} for too long`);
        stream.destroy(Object.assign(error, { code: 'ETIMEDOUT' }));
      },
    );
  }

  #onReady(): void {
    this.#everReady = true;
    this.#lastError = undefined;
    this.#adoptStreams();
    if (this.#lostAt === undefined) return;
    const awayMs = Date.now() - this.#lostAt;
    this.#lostAt = undefined;
    if (this.mode === 'patient') this.config.onRecovered(`broker ${this.target.address} is back`, awayMs);
  }

  #adoptStreams(): void {
    this.setHeld(this.#held);
    const { most, always } = TOGETHER[this.mode];
    for (const stream of streamsOf(this.client)) stream[JOINED] ??= new JoinedWrites(stream, most, always);
  }

  #onLost(): void {
    if (this.#closed || this.#lostAt !== undefined) return;
    this.#lostAt = Date.now();
    if (this.mode !== 'patient') return;
    const what = this.#everReady ? 'lost the connection to' : 'cannot reach';
    this.config.onTrouble(
      `${what} the broker at ${this.target.address}; trying again until it answers`,
      this.#lastError,
    );
  }
}

/** Whether an ioredis client is connected; for a Cluster, whether it has its slots. */
export function isReady(client: RedisClient): boolean {
  return client.status === 'ready';
}

/** The sockets of a client: one, or one per node of a Cluster. */
export function* streamsOf(client: RedisClient): Generator<JoiningSocket> {
  const nodes = client.isCluster ? (client as { nodes(): unknown[] }).nodes() : [client];
  for (const node of nodes) {
    const stream: unknown = (node as { stream?: unknown }).stream;
    // There is a TCP or TLS socket only once the client has connected.
    if (isSocket(stream)) yield stream;
  }
}

/**
 * Rejects the commands that ioredis would send again after a reconnect. ioredis drops them silently when it is disconnected
 * before that, and their callers would wait for ever (BullMQ's Relay, with a timer running).
 */
function rejectUnsent(client: RedisClient): void {
  const nodes = client.isCluster ? (client as { nodes(): unknown[] }).nodes() : [client];
  for (const node of nodes) {
    const { prevCommandQueue: queue } = node as { prevCommandQueue?: UnsentQueue | null };
    for (let item = queue?.shift(); item !== undefined; item = queue?.shift())
      item.command.reject(new Error('Connection is closed.'));
  }
}

interface UnsentQueue {
  shift(): { readonly command: { reject(error: Error): void } } | undefined;
}

/** The sockets, and whether each owes an answer: ioredis keeps sent commands in `commandQueue`. */
function* linesOf(client: RedisClient): Generator<WatchedConnection> {
  const nodes = client.isCluster ? (client as { nodes(): unknown[] }).nodes() : [client];
  for (const node of nodes) {
    const { stream, commandQueue } = node as { stream?: unknown; commandQueue?: { length?: number } };
    if (isSocket(stream)) yield { socket: stream, owed: (commandQueue?.length ?? 0) > 0 };
  }
}

function isSocket(stream: unknown): stream is Socket {
  return typeof stream === 'object' && stream !== null && 'unref' in stream;
}

const JOINED = Symbol('celeriac.joined');

/**
 * Sends up to `most` writes of one tick with one system call. ioredis writes every command by itself, and each would cost a
 * system call.
 */
class JoinedWrites {
  #held = 0;
  #armed: boolean;
  readonly #release = () => {
    this.#armed = this.always;
    if (this.#held === 0) return;
    this.#held = 0;
    this.stream.uncork();
  };

  constructor(
    private readonly stream: Socket,
    private readonly most: number,
    /** Joins writes even without a call of `arm`. */
    private readonly always: boolean,
  ) {
    this.#armed = always;
    const write = stream.write;
    const join = (args: unknown[]) => this.#write(write, args);
    stream.write = function writeJoined(this: Socket, ...args: unknown[]): boolean {
      return join(args);
    };
  }

  /** Joins the next writes of this tick. */
  arm(): void {
    this.#armed = true;
  }

  #write(write: Socket['write'], args: unknown[]): boolean {
    if (!this.#armed) return Reflect.apply(write, this.stream, args) as boolean;
    if (this.#held++ === 0) {
      this.stream.cork();
      process.nextTick(this.#release);
    }
    const more = Reflect.apply(write, this.stream, args) as boolean;
    if (this.#held >= this.most) this.#release();
    return more;
  }
}

type JoiningSocket = Socket & { [JOINED]?: JoinedWrites };
