/**
 * Checks the workflows of the app, whichever queues this worker consumes: each workflow at the moment noted for it,
 * by one worker at a time.
 */
import { WorkflowCheckup, type WorkflowCheckupParams } from '../../canvas/workflow/checkup.js';
import type { Logger } from '../../options/logger.js';
import { after, type Cancel } from '../../timers.js';

export interface WorkflowWatchParams {
  readonly workflows: WorkflowCheckupParams;
  readonly logger: Logger;
}

/** How often to ask for due workflows, ms; sooner for those already known. */
const ASK_MS = 2_000;
/** Most workflows taken at a time; other workers get their turn in between. */
const MOST = 50;
/** After this long another worker takes the workflows that this one took and did not check, ms. */
const LEASE_MS = 30_000;

export class WorkflowWatch {
  readonly #checkup: WorkflowCheckup;
  #cancel: Cancel = () => undefined;
  #round: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(private readonly params: WorkflowWatchParams) {
    this.#checkup = new WorkflowCheckup(params.workflows);
  }

  start(): void {
    this.#stopped = false;
    this.#later(ASK_MS);
  }

  /** Resolves after the workflow being checked. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    await this.#round;
  }

  #later(ms: number): void {
    const look = () => {
      this.#round = this.#look();
    };
    this.#cancel = after(ms, look, { ref: false });
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    let waitMs = ASK_MS;
    try {
      const { engine, clock } = this.params.workflows;
      const { flows, nextAt } = await engine.flows.due(clock.now(), MOST, LEASE_MS);
      for (const flow of flows) await this.#lookAt(flow);
      if (nextAt !== undefined) waitMs = Math.min(ASK_MS, Math.max(1, nextAt - clock.now()));
      if (flows.length === MOST) waitMs = 1;
    } catch (error) {
      // The next round tries again; an outage is reported by the engine.
      if (!this.params.workflows.engine.isUnavailable(error) && !this.#stopped)
        this.params.logger.warn({ error }, 'looking after workflows failed');
    }
    if (!this.#stopped) this.#later(waitMs);
  }

  async #lookAt(flow: string): Promise<void> {
    if (this.#stopped) return;
    const { flows } = this.params.workflows.engine;
    const next = await this.#checkup.look(flow);
    if (next === undefined) await flows.unwatch(flow);
    else await flows.watch(flow, next);
  }
}
