/**
 * How something begins in steps and ends in the same: whatever a step has begun is ended when a later one fails, when it
 * fails itself, and when a stop comes in between. It must never leave behind what no stop can reach.
 */
import { settleAll } from '../settle-all.js';
import { within } from './within.js';

/** One part of a start, with its end. */
export interface StartStep {
  start(): unknown;
  /** May be called before `start` is through, when it has failed, and twice. */
  stop?(): unknown;
}

/** What {@link Steps} are given. */
export interface StepsParams {
  /** Throws when nothing more is to be begun. */
  check(): void;
  /** How long an end may take before nobody waits for it any more, ms. */
  readonly patienceMs: number;
  onError(error: Error): void;
}

export class Steps {
  readonly #begun = new Set<StartStep>();

  constructor(private readonly params: StepsParams) {}

  /**
   * Takes one step after the other. When one fails, or `check` throws before the next, all that was begun is ended, and the
   * failure is thrown. May be called again after that.
   */
  async start(steps: readonly StartStep[]): Promise<void> {
    try {
      for (const step of steps) {
        this.params.check();
        this.#begun.add(step);
        await step.start();
        // Ended by a stop while it was on its way: what it made since then is ended below.
        this.#begun.add(step);
      }
      this.params.check();
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Ends all that was begun, together, last first. Never rejects; what fails is reported. May be called twice. */
  async stop(): Promise<void> {
    const begun = [...this.#begun].reverse();
    this.#begun.clear();
    await settleAll(begun.map((step) => this.#end(step)));
  }

  async #end(step: StartStep): Promise<void> {
    try {
      await within(Promise.resolve(step.stop?.()), undefined, this.params.patienceMs);
    } catch (error) {
      this.params.onError(error instanceof Error ? error : new Error(String(error)));
    }
  }
}
