/**
 * The outbox of an app, as its users see it (`app.outbox`). Everything behind it is loaded and connected by the first use,
 * so that apps without an outbox pay nothing for it.
 */
import type { CheckResult } from '../../broker/check-result.js';
import { OptionError } from '../../errors.js';
import type { TransactionLink } from '../../options/transaction.js';
import type { OutboxCounts, OutboxEntry } from './entry.js';
import type { OutboxOpened, OutboxParams, WrittenDown } from './opened.js';

/** A relay at work. */
export interface RunningRelay {
  /** Resolves after the batch under way. May be called twice. */
  stop(): Promise<void>;
}

/** The outbox of an app: its table, its relay, and the calls that were set aside. */
export class Outbox {
  readonly #params: OutboxParams;
  #opening: Promise<OutboxOpened> | undefined;

  constructor(params: OutboxParams) {
    this.#params = params;
  }

  /** Whether the app has the option `outbox`. */
  get configured(): boolean {
    return this.#params.target !== undefined;
  }

  /** Creates the table `celeriac_outbox`, or upgrades it. Safe while callers and relays run. */
  async migrate(): Promise<void> {
    const { table } = await this.#open();
    await table.migrate();
  }

  /** How many calls wait or were set aside, and how long the oldest one has waited. */
  async counts(): Promise<OutboxCounts> {
    const { table } = await this.#open();
    return table.counts();
  }

  /** The calls that were set aside, oldest first; `limit` at most, default 50. */
  async setAside({ limit = 50 }: { readonly limit?: number } = {}): Promise<OutboxEntry[]> {
    return (await this.#open()).entries(limit);
  }

  /**
   * Lets calls that were set aside be relayed again.
   * @param ids numbers of rows, or ids of tasks; default: all
   * @returns the numbers of the rows
   */
  async retry(ids?: readonly string[]): Promise<string[]> {
    return (await this.#open()).retry(ids);
  }

  /** Relays committed calls until it is stopped, also after outages, which are logged. Workers do so by themselves. */
  async relay(): Promise<RunningRelay> {
    const relay = (await this.#open()).relay();
    await relay.start();
    return relay;
  }

  /** Relays what waits now. @returns the number of calls */
  async drain(): Promise<number> {
    return (await this.#open()).relay().drain();
  }

  /** Checks the table, and what waits in it. Never rejects; empty without the option `outbox`. */
  async examine(): Promise<CheckResult[]> {
    return this.configured ? (await this.#open()).examine() : [];
  }

  /** Begins a call that is written down on the connection of a transaction. */
  async begin(link: TransactionLink): Promise<WrittenDown> {
    return (await this.#open()).begin(link);
  }

  /** Closes what it opened. */
  async close(): Promise<void> {
    const opened = await this.#opening?.catch(() => undefined); // its caller got the error
    await opened?.database.close();
  }

  async #open(): Promise<OutboxOpened> {
    const { name, target } = this.#params;
    if (target === undefined)
      throw new OptionError(
        `The app "${name}" has no outbox. Set its option outbox to a pg.Pool, or to the URL of your database.`,
      );
    this.#opening ??= import('./opened.js').then(
      ({ OutboxOpened }) => new OutboxOpened(this.#params, target),
    );
    return this.#opening;
  }
}
