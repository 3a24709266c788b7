/**
 * The sleeps and waits of a stretch that are not over, and whether the attempt may be parked for them. It may, unless the
 * task may have gone on meanwhile: once anything of the stretch has settled after a wait began, a race may be decided, and
 * the task may do something that is not seen from here. Then the wait is live: it ends in this process when its time comes
 * or its value does. Parking after any length of time would end code that still runs. A
 * `Promise.all`, which cannot be decided so, is recognised and parked at once. A live wait that may hold the task up, in
 * which nothing else is seen to happen, gives its slot to others after a few seconds; only the run and its lock are kept.
 */
import type { WaitingFor } from '../protocol/waiting.js';
import { after, type Cancel } from '../timers.js';
import type { RaceEntry } from './races.js';

export interface PendingWaitsParams {
  now(): number;
  /** Whether the wait of this name was answered. May reject while the broker is away. */
  answered(name: string): Promise<boolean>;
  /** The call is over. */
  over(): boolean;
  /** Nothing was seen of the task for a while but its waits: others may have its slot. */
  idle(): void;
}

interface PendingWait {
  readonly waiting: WaitingFor;
  readonly race: RaceEntry;
  /** How much of the stretch had settled when it began. */
  readonly since: number;
  end(): void;
}

/** How often a live wait is looked at, ms. */
const LOOK_MS = 250;
/** After so many looks that found nothing the slot is lent. */
const PATIENT_LOOKS = 12;

export class PendingWaits {
  readonly #waits = new Set<PendingWait>();
  #settled = 0;
  #looks = 0;
  #cancel: Cancel = () => undefined;

  constructor(private readonly params: PendingWaitsParams) {}

  get size(): number {
    return this.#waits.size;
  }

  /** Resolves when the wait is over while it is live. */
  add(waiting: WaitingFor, race: RaceEntry): Promise<void> {
    return new Promise((resolve) => {
      this.#waits.add({ waiting, race, since: this.#settled, end: resolve });
    });
  }

  /** Something of the stretch has ended: a step, a sleep, a wait. */
  settled(): void {
    this.#settled++;
  }

  /** True if one of them surely holds the task up. */
  get mayPark(): boolean {
    return [...this.#waits].some(
      ({ race, since }) => !race.decided && (since === this.#settled || race.inAll),
    );
  }

  /** Looks after the waits in this process. */
  live(): void {
    this.#looks = 0;
    this.#later();
  }

  #later(): void {
    this.#cancel();
    this.#cancel = after(LOOK_MS, () => void this.#look(), { ref: false });
  }

  /** The attempt is parked. @returns what it waits for */
  close(): readonly WaitingFor[] {
    this.#cancel();
    return [...this.#waits].map(({ waiting }) => waiting);
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    if (this.params.over() || this.#waits.size === 0) return;
    for (const wait of [...this.#waits]) {
      if (!(await this.#isOver(wait))) continue;
      this.#waits.delete(wait);
      wait.end();
      return;
    }
    // The losers of a race that is surely decided hold nothing up: the task does something else.
    if (++this.#looks === PATIENT_LOOKS && this.mayHoldUp) this.params.idle();
    this.#later();
  }

  /** True if one of them may hold the task up: it is not known to have lost a race. */
  get mayHoldUp(): boolean {
    return [...this.#waits].some(({ race }) => !race.decided);
  }

  async #isOver({ waiting }: PendingWait): Promise<boolean> {
    const { kind, name, until } = waiting;
    if (until !== undefined && until <= this.params.now()) return true;
    return kind === 'wait' && (await this.params.answered(name).catch(() => false)); // it is looked at again
  }
}
