/** What the steps of tasks need, on the app's engine. */
import type { Engine } from '../broker/broker.js';
import type { Stepping } from './call-steps.js';

export interface EngineSteppingParams extends Omit<Stepping, 'records'> {
  readonly engine: Pick<Engine, 'steps'>;
}

export class EngineStepping implements Stepping {
  readonly clock: Stepping['clock'];
  readonly codec: Stepping['codec'];
  readonly tracing: Stepping['tracing'];
  readonly schemas: Stepping['schemas'];

  constructor(private readonly params: EngineSteppingParams) {
    this.clock = params.clock;
    this.codec = params.codec;
    this.tracing = params.tracing;
    this.schemas = params.schemas;
  }

  /** Read each time, because a test may replace the engine. */
  get records(): Stepping['records'] {
    return this.params.engine.steps;
  }
}
