/**
 * Rates: reads `'10/s'`, and computes the pace that keeps it. Pure; `coordination/rate-limits` applies it.
 */
import { OptionError } from '../errors.js';
import { show } from '../show.js';

/** Starts per second, minute or hour: `'10/s' | '100/m' | '5/h'`. */
export type RateLimit = `${number}/${'s' | 'm' | 'h'}`;

/** A rate, read. */
export interface Rate {
  readonly count: number;
  readonly periodMs: number;
}

/** The spacing of starts: one every `intervalMs`, up to `burst` at once after a pause. */
export interface Pace {
  readonly intervalMs: number;
  readonly burst: number;
}

const PERIODS: ReadonlyMap<string, number> = new Map([
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
]);

/**
 * Starts are granted exactly, but tasks begin after varying small delays. The period is lengthened by this much, so
 * that the starts observed inside the tasks keep the rate too.
 */
const UNEVENNESS_MS = 25;

/** A worker that is late by this much catches up with the burst, if the rate has room for one. */
const LATENESS_MS = 20;

/** The largest part of the rate that may be given up for the burst. */
const BURST_SHARE = 0.05;

/** @throws {OptionError} */
export function toRate(value: unknown, where: string): Rate {
  const [, count, unit] = (typeof value === 'string' && /^(\d+)\/([smh])$/.exec(value)) || [];
  const periodMs = PERIODS.get(unit ?? '');
  if (periodMs === undefined || Number(count) < 1 || !Number.isSafeInteger(Number(count))) {
    throw new OptionError(
      `${where}: ${show(value)} is not a rate. Use '10/s', '100/m' or '5/h', whole and at least 1.`,
    );
  }
  return { count: Number(count), periodMs };
}

/** A rate as it is written. */
export function rateText({ count, periodMs }: Rate): string {
  const unit = [...PERIODS].find(([, ms]) => ms === periodMs)?.[0];
  return unit === undefined ? `${count} per ${periodMs} ms` : `${count}/${unit}`;
}

/**
 * The pace at which no window of the period holds more than `count` starts. Of any `count + 1` grants in a row the last
 * comes at least `(count + 1 - burst) * intervalMs` after the first, which is the period.
 */
export function paceOf({ count, periodMs }: Rate): Pace {
  const spanMs = periodMs + UNEVENNESS_MS;
  const burst = 1 + Math.min(Math.floor(count * BURST_SHARE), Math.ceil((LATENESS_MS * count) / spanMs));
  return { intervalMs: spanMs / (count + 1 - burst), burst };
}
