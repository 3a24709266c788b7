/**
 * The ledger of a fault campaign: one append-only file that task bodies and waiters write, each line in one system call.
 * What was written before a SIGKILL stays written, and the broker is never asked what happened.
 */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';

/** A body began or came to its end. */
export interface BodyLine {
  readonly what: 'started' | 'finished';
  readonly key: string;
  /** Of its task. */
  readonly id: string;
  /** Epoch ms; all processes of a campaign are on one machine. */
  readonly at: number;
  readonly pid: number;
  readonly retries: number;
  readonly deliveries: number;
}

/** How a task ended, as a waiter with nothing but its id heard it. */
export interface OutcomeLine {
  readonly what: 'outcome';
  readonly waiter: string;
  readonly id: string;
  readonly at: number;
  readonly outcome: FaultOutcome;
}

/** A value, or an error as `get()` threw it. */
export type FaultOutcome =
  | { readonly value: unknown }
  | { readonly error: string; readonly message: string; readonly cause?: FaultCause };

export interface FaultCause {
  readonly name: string;
  readonly message: string;
  /** A field the task gave its error. */
  readonly code?: unknown;
}

/** Appends lines. */
export class LedgerWriter {
  readonly #file: number;

  constructor(path: string) {
    this.#file = openSync(path, 'a');
  }

  body(line: Omit<BodyLine, 'at' | 'pid'>): void {
    this.#write({ ...line, at: Date.now(), pid: process.pid });
  }

  outcome(line: Omit<OutcomeLine, 'what' | 'at'>): void {
    this.#write({ what: 'outcome', ...line, at: Date.now() });
  }

  close(): void {
    closeSync(this.#file);
  }

  #write(line: BodyLine | OutcomeLine): void {
    writeSync(this.#file, `${JSON.stringify(line)}\n`);
  }
}

/** A ledger as it stands. */
export interface Ledger {
  /** By key, in the order written. */
  readonly started: ReadonlyMap<string, readonly BodyLine[]>;
  readonly finished: ReadonlyMap<string, readonly BodyLine[]>;
  /** By waiter and then by task id. */
  readonly outcomes: ReadonlyMap<string, ReadonlyMap<string, readonly OutcomeLine[]>>;
  readonly starts: number;
}

export function readLedger(path: string): Ledger {
  const started = new Map<string, BodyLine[]>();
  const finished = new Map<string, BodyLine[]>();
  const outcomes = new Map<string, Map<string, OutcomeLine[]>>();
  let starts = 0;
  for (const text of readFileSync(path, 'utf8').split('\n')) {
    if (text === '') continue;
    const line = JSON.parse(text) as BodyLine | OutcomeLine;
    if (line.what === 'outcome') {
      const ofWaiter = outcomes.get(line.waiter) ?? new Map<string, OutcomeLine[]>();
      outcomes.set(line.waiter, ofWaiter);
      append(ofWaiter, line.id, line);
    } else {
      append(line.what === 'started' ? started : finished, line.key, line);
      if (line.what === 'started') starts++;
    }
  }
  return { started, finished, outcomes, starts };
}

function append<T>(lines: Map<string, T[]>, key: string, line: T): void {
  const known = lines.get(key);
  if (known === undefined) lines.set(key, [line]);
  else known.push(line);
}
