/**
 * Logs that a reachable broker refuses commands (out of memory, a full disk, a replica), once a minute while it lasts.
 * The callers retry silently. Outages are logged by the connections instead.
 */
import { BrokerError } from '../../errors.js';
import type { EngineConfig } from '../broker.js';
import { refusalIn, unavailable } from './errors.js';

/** How long until the same trouble is logged again, ms. */
const REPEAT_MS = 60_000;

export class Troubles {
  readonly #saidAt = new Map<string, number>();

  constructor(
    private readonly address: string,
    private readonly config: Pick<EngineConfig, 'onTrouble'>,
    /** A steady clock, ms. */
    private readonly now = () => performance.now(),
  ) {}

  /** Logs an error that a caller is about to retry after, unless the same trouble was logged lately. */
  note(error: unknown): void {
    const origin = error instanceof BrokerError ? error.cause : error;
    if (!(origin instanceof Error)) return;
    // Troubles are distinguished by the code in the server's answer.
    const code = /[A-Z]{3,}/.exec(origin.message)?.[0] ?? '';
    const saidAt = this.#saidAt.get(code);
    if (saidAt !== undefined && this.now() - saidAt < REPEAT_MS) return;
    this.#saidAt.set(code, this.now());
    const { message } = refusalIn(origin, this.address) ?? unavailable(this.address, origin);
    this.config.onTrouble(`${message} Trying again.`, origin);
  }
}
