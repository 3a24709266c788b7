/**
 * Converts between moments and wall times of a time zone. A wall time is represented as the epoch ms that it would be in
 * UTC. Pure, except for Node's time zone data.
 */

/** Clocks never change by more than this at once, ms (Lord Howe: 30 minutes, most zones: an hour, Troll: two). */
export const LARGEST_SHIFT_MS = 3 * 3_600_000;

/** Longest distance between a transition and a wall time that it affects, ms, time zone offset included. */
const DAY_MS = 26 * 3_600_000;

/** The clock of one time zone. */
export class LocalClock {
  readonly #format: Intl.DateTimeFormat | undefined;

  constructor(timezone: string) {
    this.#format = /^(etc\/)?(utc|gmt|uct|zulu)$/i.test(timezone)
      ? undefined
      : new Intl.DateTimeFormat('en-US', {
          timeZone: timezone,
          hourCycle: 'h23',
          year: 'numeric',
          month: 'numeric',
          day: 'numeric',
          hour: 'numeric',
          minute: 'numeric',
          second: 'numeric',
        });
  }

  /** How far the wall clock is ahead of UTC at a moment, ms. */
  offsetAt(at: number): number {
    if (this.#format === undefined) return 0;
    const parts = new Map(this.#format.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
    const part = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? 0;
    const wall = Date.UTC(
      part('year'),
      part('month') - 1,
      part('day'),
      part('hour'),
      part('minute'),
      part('second'),
    );
    return wall - Math.floor(at / 1000) * 1000;
  }

  /** The wall time of a moment. */
  wallAt(at: number): number {
    return at + this.offsetAt(at);
  }

  /** Whether the clock changes within `marginMs` of a moment. */
  changesAround(at: number, marginMs: number): boolean {
    const offset = this.offsetAt(at);
    return this.offsetAt(at - marginMs) !== offset || this.offsetAt(at + marginMs) !== offset;
  }

  /**
   * The moments of a wall time, earliest first: two of them if the clock is set back over it. A skipped wall time gives the
   * moment that it would have been without the change: 02:30 becomes 03:30.
   */
  momentsOf(wall: number): { readonly moments: readonly number[]; readonly skipped: boolean } {
    const before = this.offsetAt(wall - DAY_MS);
    const after = this.offsetAt(wall + DAY_MS);
    const offsets = before === after ? [before] : [before, after];
    const moments = offsets
      .map((offset) => wall - offset)
      .filter((at, i) => this.offsetAt(at) === offsets[i])
      .sort((a, b) => a - b);
    return moments.length > 0 ? { moments, skipped: false } : { moments: [wall - before], skipped: true };
  }
}
