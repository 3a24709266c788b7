/**
 * The relay of an outbox: takes committed calls, sends them, and removes their rows. Any number of relays may run; each
 * row is with one of them at a time. It hears of new rows by a notice of the database, and looks for others now and then,
 * since a pooler may pass no notices on. Its errors are logged once, and it goes on.
 */
import type { PgWire } from '../../broker/postgres/wire.js';
import { outageIn } from '../../errors.js';
import type { Logger } from '../../options/logger.js';
import { sleep } from '../../timers.js';
import type { OutboxReplay } from './replay.js';
import { channelOf, type Ends, type OutboxRow, type OutboxTable, withAdvice } from './table.js';

export interface OutboxRelayParams {
  readonly app: string;
  readonly table: OutboxTable;
  readonly database: PgWire;
  readonly replay: OutboxReplay;
  /** How long relayed rows are kept, ms; 0: they are removed at once. */
  readonly keepMs: number;
  logger(): Logger;
}

/** Most rows in one transaction of the relay. */
const BATCH = 500;
/** How often to look for rows whose notice was lost, ms. */
const SWEEP_MS = 1_000;
/** The same where no notices arrive. */
const DEAF_SWEEP_MS = 200;
/** Pause after a failure, ms: doubled with each, up to the last. */
const FIRST_PAUSE_MS = 100;
const LAST_PAUSE_MS = 5_000;
/** How often rows that were kept long enough are removed, ms, and how many at a time. */
const TIDY_MS = 10_000;
const TIDY_STEP = 1_000;

export class OutboxRelay {
  readonly #channel: string;
  /** Rows may have come since the last look. */
  #isCalled = false;
  #wake: () => void = () => undefined;
  #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #hearsNotices = false;
  #failedSince: number | undefined;
  #tidyAt = 0;

  constructor(private readonly params: OutboxRelayParams) {
    this.#channel = channelOf(params.app);
  }

  /** Begins to relay, also while the database is away. */
  async start(): Promise<void> {
    this.#stopping = new AbortController();
    this.#running ??= this.#run();
  }

  /** Resolves after the batch under way. Never rejects; may be called twice. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wake();
    await this.#running;
    this.#running = undefined;
  }

  /** Relays what waits now, without waiting for more. @returns how many rows there were */
  async drain(): Promise<number> {
    let all = 0;
    for (;;) {
      const count = await this.#batch();
      all += count;
      if (count < BATCH) return all;
    }
  }

  async #run(): Promise<void> {
    const { database, logger } = this.params;
    const onNotice = () => {
      this.#hearsNotices = true;
      this.#call();
    };
    const leaveGaps = database.notices.onGap(() => this.#call());
    let isListening = false;
    let pauseMs = FIRST_PAUSE_MS;
    while (!this.#stopping.signal.aborted) {
      try {
        if (!isListening) {
          await database.notices.listen(this.#channel, onNotice);
          isListening = true;
          await database.notices.send([{ channel: this.#channel, payload: '' }]);
        }
        this.#isCalled = false;
        const count = await this.#batch();
        await this.#tidy();
        this.#recovered();
        pauseMs = FIRST_PAUSE_MS;
        if (count < BATCH) await this.#rest();
      } catch (error) {
        this.#failed(error);
        await sleep(pauseMs, { signal: this.#stopping.signal });
        pauseMs = Math.min(LAST_PAUSE_MS, pauseMs * 2);
      }
    }
    leaveGaps();
    database.notices.unlisten(this.#channel, onNotice);
    logger().debug({}, 'the relay of the outbox has stopped');
  }

  /** Waits for a notice, or until it is time to look anyway. */
  async #rest(): Promise<void> {
    if (this.#isCalled || this.#stopping.signal.aborted) return;
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    await sleep(this.#hearsNotices ? SWEEP_MS : DEAF_SWEEP_MS, { signal: woken.signal });
    this.#wake = () => undefined;
  }

  #call(): void {
    this.#isCalled = true;
    this.#wake();
  }

  async #batch(): Promise<number> {
    const { table, replay, keepMs } = this.params;
    const relayed: OutboxRow[] = [];
    const count = await table.relay(BATCH, keepMs, async (rows) => {
      const ends = await replay.send(rows);
      this.#report(ends);
      relayed.push(...rows.filter(({ id }) => !ends.has(id)));
      return ends;
    });
    if (relayed.length > 0) void replay.release(relayed);
    return count;
  }

  #report(ends: Ends): void {
    for (const [row, reason] of ends)
      this.params.logger().error({ row, reason }, 'a call of the outbox cannot be sent and was set aside');
  }

  /** Removes rows that were kept long enough. */
  async #tidy(): Promise<void> {
    const { table, keepMs } = this.params;
    const now = performance.now();
    if (now < this.#tidyAt) return;
    // Also without `outboxKeep`: it may have been set before.
    const dropped = await table.dropKept(keepMs, TIDY_STEP);
    if (dropped < TIDY_STEP) this.#tidyAt = now + TIDY_MS;
  }

  #failed(error: unknown): void {
    if (this.#failedSince !== undefined || this.#stopping.signal.aborted) return;
    this.#failedSince = performance.now();
    const told = outageIn(withAdvice(error, this.params.database.address));
    this.params.logger().error({ error: told }, 'the outbox cannot be relayed now; it is tried again');
  }

  #recovered(): void {
    if (this.#failedSince === undefined) return;
    const awayMs = Math.round(performance.now() - this.#failedSince);
    this.#failedSince = undefined;
    this.params.logger().warn({ awayMs }, 'the outbox is relayed again');
  }
}
