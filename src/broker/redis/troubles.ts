/**
 * Logs that the broker is there and does not do what it is asked (out of memory, a full disk, a replica), now and then while
 * it lasts. Those who meet it try again in silence, as in an outage, which the connections log.
 */
import { BrokerError } from '../../errors.js';
import type { EngineConfig } from '../broker.js';
import { refusalIn, unavailable } from './errors.js';

/** Said again after so long, if it still lasts. */
const REPEAT_MS = 60_000;

export class Troubles {
  readonly #saidAt = new Map<string, number>();

  constructor(
    private readonly address: string,
    private readonly config: Pick<EngineConfig, 'onTrouble'>,
    /** A steady clock, ms. */
    private readonly now = () => performance.now(),
  ) {}

  /** Somebody met this, and is about to try again. */
  note(error: unknown): void {
    const origin = error instanceof BrokerError ? error.cause : error;
    if (!(origin instanceof Error)) return;
    // Which of them: the code in what the server said.
    const code = /[A-Z]{3,}/.exec(origin.message)?.[0] ?? '';
    const saidAt = this.#saidAt.get(code);
    if (saidAt !== undefined && this.now() - saidAt < REPEAT_MS) return;
    this.#saidAt.set(code, this.now());
    const { message } = refusalIn(origin, this.address) ?? unavailable(this.address, origin);
    this.config.onTrouble(`${message} Trying again.`, origin);
  }
}
