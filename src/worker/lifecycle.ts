/**
 * The life of a worker: new, starting, running, stopping, stopped. It starts once, or again after a start that failed;
 * it stops once, at any moment, also in the middle of its start.
 */
import { AppClosedError } from '../errors.js';
import type { Phase } from './phase.js';
import { type StartStep, Steps } from './steps.js';
import { within } from './within.js';

export interface LifecycleParams {
  /** How long the end of a step may take, and a start to notice that it is to stop, ms. */
  readonly patienceMs: number;
  onError(error: Error): void;
  /** Called once, at the very end. */
  onStopped(): void;
}

export class Lifecycle {
  readonly #steps: Steps;
  #phase: Phase = 'new';
  /** Settles with the start that is under way, or was. */
  #starting: Promise<void> = Promise.resolve();
  #stopping: Promise<void> | undefined;
  #onStopped: () => void = () => undefined;
  /** Resolves at the end of `stop`. */
  readonly stopped = new Promise<void>((resolve) => {
    this.#onStopped = resolve;
  });

  constructor(private readonly params: LifecycleParams) {
    this.#steps = new Steps({ ...params, check: () => this.#refuseStopped() });
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** Whether a stop was asked for. */
  get stopping(): boolean {
    return this.#phase === 'stopping' || this.#phase === 'stopped';
  }

  /**
   * Takes the steps of a start. When one fails it is new again, and nothing of the others is left.
   * @throws {AppClosedError} when it is stopped meanwhile
   */
  start(steps: readonly StartStep[]): Promise<void> {
    this.#phase = 'starting';
    const starting = this.#start(steps);
    this.#starting = starting.catch(() => undefined); // for those who only wait for its end
    return starting;
  }

  /**
   * Ends it, once: `windUp` first, if there is anything to wind up, then all that the start began.
   * @param windUp is given the end of a start that is under way
   */
  stop(windUp: (started: Promise<void>) => Promise<void>): Promise<void> {
    this.#stopping ??= this.#stop(windUp);
    return this.#stopping;
  }

  async #start(steps: readonly StartStep[]): Promise<void> {
    try {
      await this.#steps.start(steps);
      this.#phase = 'running';
    } catch (error) {
      // What its end did to a step that was on its way is nobody's failure.
      this.#refuseStopped();
      this.#phase = 'new';
      throw error;
    }
  }

  async #stop(windUp: (started: Promise<void>) => Promise<void>): Promise<void> {
    const wasStarted = this.#phase !== 'new';
    this.#phase = 'stopping';
    try {
      // A start that is under way sees that it is to stop, unless it waits for the broker.
      const started = within(this.#starting, undefined, this.params.patienceMs);
      if (wasStarted) await windUp(started);
    } catch (error) {
      this.params.onError(error instanceof Error ? error : new Error(String(error)));
    }
    await this.#steps.stop();
    this.#phase = 'stopped';
    this.params.onStopped();
    this.#onStopped();
  }

  #refuseStopped(): void {
    if (this.stopping) throw new AppClosedError('The worker was stopped while it started.');
  }
}
