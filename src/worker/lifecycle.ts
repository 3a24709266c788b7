/**
 * The life of a worker: new, starting, running, stopping, stopped. A worker starts once, or again after a failed
 * start. It stops once, at any moment, also in the middle of its start.
 */
import { AppClosedError } from '../errors.js';
import type { Phase } from './phase.js';
import { type StartStep, Steps } from './steps.js';
import { within } from './within.js';

export interface LifecycleParams {
  /** How long to wait for the end of a step, and for a start to notice the stop, ms. */
  readonly patienceMs: number;
  onError(error: Error): void;
  /** Called after everything that a start began has ended, also a failed one. Never rejects; awaited. */
  ended(): Promise<void>;
  /** Called once, after everything has stopped. */
  onStopped(): void;
}

export class Lifecycle {
  readonly #steps: Steps;
  #phase: Phase = 'new';
  /** Settles with the start in progress, or with the last one. */
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

  /** True once a stop was requested. */
  get stopping(): boolean {
    return this.#phase === 'stopping' || this.#phase === 'stopped';
  }

  /**
   * Runs the steps of a start. If one fails, the others are undone and the worker is new again.
   * @throws {AppClosedError} when a stop arrives meanwhile
   */
  start(steps: readonly StartStep[]): Promise<void> {
    this.#phase = 'starting';
    const starting = this.#start(steps);
    this.#starting = starting.catch(() => undefined); // callers that await only its end
    return starting;
  }

  /**
   * Stops once: first `windUp`, if the worker had started, then everything that the start began.
   * @param windUp receives the end of the start in progress
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
      await this.params.ended();
      // A stop in between may make a step fail: report the stop, not that error.
      this.#refuseStopped();
      this.#phase = 'new';
      throw error;
    }
  }

  async #stop(windUp: (started: Promise<void>) => Promise<void>): Promise<void> {
    const wasStarted = this.#phase !== 'new';
    this.#phase = 'stopping';
    try {
      // A start in progress notices the stop by itself, unless it waits for the broker.
      const started = within(this.#starting, undefined, this.params.patienceMs);
      if (wasStarted) await windUp(started);
    } catch (error) {
      this.params.onError(error instanceof Error ? error : new Error(String(error)));
    }
    await this.#steps.stop();
    await this.params.ended();
    this.#phase = 'stopped';
    this.params.onStopped();
    this.#onStopped();
  }

  #refuseStopped(): void {
    if (this.stopping) throw new AppClosedError('The worker was stopped while it started.');
  }
}
