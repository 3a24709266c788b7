/** What the steps of tasks need, on the app's engine. */
import type { Engine } from '../broker/broker.js';
import type { Stepping } from './call-steps.js';
import { PartMail } from './part-mail.js';

export interface EngineSteppingParams extends Omit<Stepping, 'records' | 'mail'> {
  readonly engine: Pick<Engine, 'steps' | 'flows'>;
}

export class EngineStepping implements Stepping {
  readonly clock: Stepping['clock'];
  readonly codec: Stepping['codec'];
  readonly tracing: Stepping['tracing'];
  readonly schemas: Stepping['schemas'];
  readonly mail: PartMail;

  constructor(private readonly params: EngineSteppingParams) {
    this.clock = params.clock;
    this.codec = params.codec;
    this.tracing = params.tracing;
    this.schemas = params.schemas;
    this.mail = new PartMail(params.engine);
  }

  /** Read each time, because a test may replace the engine. */
  get records(): Stepping['records'] {
    return this.params.engine.steps;
  }
}
