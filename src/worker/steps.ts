/**
 * A start in steps, and its end. Every step that began is stopped when a later step fails, when the step itself
 * fails, and when a stop arrives in between. Nothing may be left running that no stop can reach.
 */
import { settleAll } from '../settle-all.js';
import { within } from './within.js';

/** One part of a start, and how to undo it. */
export interface StartStep {
  start(): unknown;
  /** May be called before `start` settles, after it failed, and twice. */
  stop?(): unknown;
}

/** Parameters of {@link Steps}. */
export interface StepsParams {
  /** Throws when no further step may begin. */
  check(): void;
  /** How long to wait for a step to stop, ms. */
  readonly patienceMs: number;
  onError(error: Error): void;
}

export class Steps {
  readonly #begun = new Set<StartStep>();

  constructor(private readonly params: StepsParams) {}

  /**
   * Runs the steps in order. If a step fails, or `check` throws before the next one, stops all that began and throws
   * that failure. May be called again afterwards.
   */
  async start(steps: readonly StartStep[]): Promise<void> {
    try {
      for (const step of steps) {
        this.params.check();
        this.#begun.add(step);
        await step.start();
        // A stop may have ended this step while it was starting: what it created since then is stopped below.
        this.#begun.add(step);
      }
      this.params.check();
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /**
   * Stops everything that began, concurrently, last first. Never rejects; failures are reported. May be called twice.
   */
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
