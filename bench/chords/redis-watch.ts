/** What a Redis did meanwhile: its slowest command, how much it was asked, what it holds. */
import { Redis } from 'ioredis';
import type { BrokerAddress } from '../processes/broker.js';

/** What happened in one phase. */
export interface Phase {
  /** The longest command, ms, and its name. */
  readonly slowestMs: number;
  readonly slowest: string;
  /** How often Redis read from a connection: round trips, a pipeline being one. */
  readonly reads: number;
  readonly wallMs: number;
  /** The most memory it held, and what it held at the end, beyond what it held before the first phase, bytes. */
  readonly peakBytes: number;
  readonly keptBytes: number;
}

/** Slower ones are looked at, µs. */
const SLOWER_THAN_US = 500;
const SAMPLE_MS = 40;

export class RedisWatch {
  readonly #client: Redis;
  #empty = 0;

  constructor(broker: BrokerAddress) {
    this.#client = new Redis(broker);
  }

  async begin(): Promise<void> {
    await this.#client.flushall('SYNC');
    await this.#client.config('SET', 'slowlog-log-slower-than', `${SLOWER_THAN_US}`);
    await this.#client.config('SET', 'slowlog-max-len', '100000');
    this.#empty = await this.usedBytes();
  }

  /** Runs a phase and watches it. */
  async during(body: () => Promise<unknown>): Promise<Phase> {
    await this.#client.call('SLOWLOG', 'RESET');
    const before = await this.#reads();
    let peakBytes = 0;
    let own = 0;
    const sample = async () => {
      own++;
      peakBytes = Math.max(peakBytes, (await this.usedBytes()) - this.#empty);
    };
    const timer = setInterval(() => void sample(), SAMPLE_MS);
    const started = performance.now();
    try {
      await body();
    } finally {
      clearInterval(timer);
    }
    const wallMs = performance.now() - started;
    const reads = (await this.#reads()) - before - own;
    const keptBytes = (await this.usedBytes()) - this.#empty;
    return {
      ...(await this.#slowest()),
      reads,
      wallMs,
      peakBytes: Math.max(peakBytes, keptBytes),
      keptBytes,
    };
  }

  async usedBytes(): Promise<number> {
    return Number(/^used_memory:(\d+)/m.exec(await this.#client.info('memory'))?.[1]);
  }

  /** How many keys there are. */
  keys(): Promise<number> {
    return this.#client.dbsize();
  }

  /** How many tasks of celeriac's wait for their moment. */
  delayed(): Promise<number> {
    return this.#client.zcard('chords:celeriac:delayed');
  }

  close(): void {
    this.#client.disconnect();
  }

  async #reads(): Promise<number> {
    return Number(/^total_reads_processed:(\d+)/m.exec(await this.#client.info('stats'))?.[1]);
  }

  async #slowest(): Promise<Pick<Phase, 'slowest' | 'slowestMs'>> {
    const log = (await this.#client.call('SLOWLOG', 'GET', '-1')) as [number, number, number, string[]][];
    let [slowestUs, slowest] = [0, `under ${SLOWER_THAN_US / 1000} ms`];
    for (const [, , us, [command = '', first = '']] of log) {
      // Not what is asked here.
      if (us <= slowestUs || /^(info|slowlog|flushall|config)$/i.test(command)) continue;
      const name = first.replaceAll(/[-[\s]+/g, ' ').trim();
      [slowestUs, slowest] = [us, `${command} ${name}`.slice(0, 18)];
    }
    return { slowest, slowestMs: slowestUs / 1000 };
  }
}
