/** What a running call has from where it runs. */
import type { Logger } from '../../options/logger.js';
import type { Delivery } from '../../queue/delivery.js';
import type { TaskApp } from '../../tasks/context.js';
import type { OwnEvent } from '../../tasks/own-events.js';

/** What a call needs of its worker. */
export interface CallHost {
  readonly node: string;
  readonly logger: Logger;
  readonly app: TaskApp;
  readonly stopping: boolean;
  /** Encodes the meta of `updateState`. Default: as plain JSON. */
  encodeMeta?(meta: unknown, delivery: Delivery): unknown;
  /** Publishes an event that the task sends. Default: goes nowhere. */
  sendEvent?(delivery: Delivery, event: OwnEvent): void | Promise<void>;
  /** Creates the controller of `this.signal`, where a plain AbortController does not do. */
  newAbort?(): AbortController;
}

/** The limits of one call, ms. */
export interface CallLimits {
  readonly softMs: number | undefined;
  readonly hardMs: number | undefined;
}
