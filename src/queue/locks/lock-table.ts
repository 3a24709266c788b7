/**
 * The locks of a worker process, in memory shared with the lock thread. Adding a lock copies about a hundred bytes and
 * posts no message, and the thread can read while the main thread is busy or blocked.
 *
 * An entry is a counter (odd: in use) and a text. The reader reads the counter before and after the text. If the counter
 * changed, the entry was reused meanwhile, and the reader leaves it for the next round.
 */
import type { HeldLock } from '../../broker/lock-renewal.js';

const ENTRIES = 4096;
const STRIDE = 256;
const TEXT_AT = 8;
const TEXT_BYTES = STRIDE - TEXT_AT;

/** The memory of a table; can be posted to a thread. */
export interface LockMemory {
  readonly entries: SharedArrayBuffer;
  /** When the main loop last ran, ns of the steady clock that all threads of a process share. */
  readonly heartbeat: SharedArrayBuffer;
}

/** Allocates the memory of a table. */
export function newLockMemory(): LockMemory {
  return { entries: new SharedArrayBuffer(ENTRIES * STRIDE), heartbeat: new SharedArrayBuffer(8) };
}

/** The writing side, in the main thread. */
export class LockTable {
  readonly #counters: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #beat: BigInt64Array;
  readonly #free: number[] = Array.from({ length: ENTRIES }, (_, i) => ENTRIES - 1 - i);
  readonly #encoder = new TextEncoder();

  constructor(memory: LockMemory) {
    this.#counters = new Int32Array(memory.entries);
    this.#bytes = new Uint8Array(memory.entries);
    this.#beat = new BigInt64Array(memory.heartbeat);
  }

  /** Records that the main loop runs. */
  beat(): void {
    Atomics.store(this.#beat, 0, process.hrtime.bigint());
  }

  /** Adds a lock. @returns its entry; `undefined` when the table is full or the ids are too long */
  add({ queue, jobId, token }: HeldLock): number | undefined {
    const entry = this.#free.pop();
    if (entry === undefined) return undefined;
    const at = entry * STRIDE + TEXT_AT;
    const text = `${queue}\n${jobId}\n${token}`;
    const { read, written } = this.#encoder.encodeInto(text, this.#bytes.subarray(at, at + TEXT_BYTES));
    if (read < text.length) {
      this.#free.push(entry);
      return undefined;
    }
    Atomics.store(this.#counters, (entry * STRIDE) / 4 + 1, written);
    Atomics.add(this.#counters, (entry * STRIDE) / 4, 1);
    return entry;
  }

  remove(entry: number): void {
    Atomics.add(this.#counters, (entry * STRIDE) / 4, 1);
    this.#free.push(entry);
  }
}

/** The reading side, in the thread. */
export class LockTableReader {
  readonly #counters: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #beat: BigInt64Array;
  readonly #decoder = new TextDecoder();

  constructor(memory: LockMemory) {
    this.#counters = new Int32Array(memory.entries);
    this.#bytes = new Uint8Array(memory.entries);
    this.#beat = new BigInt64Array(memory.heartbeat);
  }

  /** How long the main loop has been blocked, ms. */
  blockedForMs(): number {
    return Number(process.hrtime.bigint() - Atomics.load(this.#beat, 0)) / 1e6;
  }

  /** All locks held now, with an identity that changes when the entry is reused. */
  *held(): Generator<[identity: string, lock: HeldLock]> {
    for (let entry = 0; entry < ENTRIES; entry++) {
      const counterAt = (entry * STRIDE) / 4;
      const counter = Atomics.load(this.#counters, counterAt);
      if (counter % 2 === 0) continue;
      const length = Atomics.load(this.#counters, counterAt + 1);
      const at = entry * STRIDE + TEXT_AT;
      // TextDecoder refuses shared memory, so the bytes are copied first.
      const text = this.#decoder.decode(this.#bytes.slice(at, at + length));
      if (Atomics.load(this.#counters, counterAt) !== counter) continue;
      const [queue = '', jobId = '', token = ''] = text.split('\n');
      yield [`${entry}.${counter}`, { queue, jobId, token }];
    }
  }
}
