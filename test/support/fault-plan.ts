/**
 * What a fault campaign sends and what must become of it: pure data from a seed, so that the process that sends, the
 * workers that are killed and the judge at the end agree without a word between them.
 */

/** What a task does; each has one right end, whatever is killed meanwhile. */
export type FaultKind =
  /** Works a moment and returns. */
  | 'plain'
  /** Fails `fails` times, then returns. */
  | 'retry'
  /** Fails always; its retries run out. */
  | 'exhaust'
  /** Is sent with a countdown. */
  | 'delayed'
  /** Never ends by itself; its hard limit ends it. */
  | 'endless'
  /** Fails for good at once. */
  | 'broken'
  /** `acksLate: false`: runs at most once. */
  | 'once'
  /** Only some of them run at once, the others are parked. */
  | 'keyed'
  /** A middleware throws before its body. */
  | 'barred'
  /** Kills the worker it runs on, always. */
  | 'poison';

export interface FaultTask {
  /** Also its argument, and its name in the ledger. */
  readonly key: string;
  readonly kind: FaultKind;
  /** How long its body works, ms. */
  readonly workMs: number;
  /** Of `retry`: failures before it succeeds. */
  readonly fails: number;
  /** Of `delayed`, ms. */
  readonly countdownMs: number;
  /** Its caller gives it an id, in place of one that is made. */
  readonly ownId: boolean;
}

/** Retries after the first attempt of `exhaust`. */
export const EXHAUST_RETRIES = 2;
/** Workers that may die under `poison`. */
export const POISON_DELIVERIES = 2;
/** Of `keyed`, how many of one key run at once, and how many keys there are. */
export const KEYED_LIMIT = 2;
export const KEYS = 4;
/** Hard limit of `endless`, ms. */
export const ENDLESS_LIMIT_MS = 300;

/** Which share of the tasks is of which kind; the rest is plain. */
const SHARES: readonly (readonly [FaultKind, number])[] = [
  ['retry', 0.15],
  ['exhaust', 0.05],
  ['delayed', 0.15],
  ['endless', 0.05],
  ['broken', 0.1],
  ['once', 0.15],
  ['keyed', 0.05],
  ['barred', 0.05],
];

export interface PlanOptions {
  readonly count: number;
  /** How many, the last ones, kill their workers. Default: 0. */
  readonly poison?: number;
  /** Kinds to send; the share of the others is plain. Default: all. */
  readonly only?: readonly FaultKind[];
  /** Default: 85 ms. */
  readonly longestWorkMs?: number;
}

export function faultPlan(seed: number, options: PlanOptions): FaultTask[] {
  const { count, poison = 0, only, longestWorkMs = 85 } = options;
  const random = randomFrom(seed);
  return Array.from({ length: count }, (_, n) => {
    const picked = pickKind(random());
    const kind = n >= count - poison ? 'poison' : (only?.includes(picked) ?? true) ? picked : 'plain';
    return {
      key: `${kind}-${n}`,
      kind,
      workMs: Math.floor(random() * longestWorkMs),
      fails: 1 + Math.floor(random() * 3),
      countdownMs: Math.floor(200 + random() * 5000),
      ownId: random() < 0.5,
    };
  });
}

/** Numbers from 0 to 1, the same ones for the same seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function pickKind(share: number): FaultKind {
  let from = 0;
  for (const [kind, part] of SHARES) {
    from += part;
    if (share < from) return kind;
  }
  return 'plain';
}
