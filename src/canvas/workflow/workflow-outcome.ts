/** How a whole workflow ended, and what its parts hand on. */
import type { WorkflowWritten } from '../../broker/broker.js';
import type { FlowInput } from '../../protocol/message.js';
import type { FailedPart, ProgressResult } from './progress.js';

export type WorkflowOutcome =
  /** `early`: parts may still run. `ends`: with it ends the workflow of the task whose place it took. */
  | { readonly kind: 'value'; readonly early?: boolean | undefined; readonly ends?: boolean | undefined }
  | { readonly kind: 'failure'; readonly failed: FailedPart }
  | { readonly kind: 'revoked'; readonly reason: string | undefined }
  | { readonly kind: 'ignored' };

/** A written success. */
export interface WrittenSuccess {
  readonly written: WorkflowWritten;
  /** What became of the next step. */
  readonly progressed: ProgressResult;
  /** See {@link WorkflowOutcome}. */
  readonly early?: boolean;
  readonly ends?: boolean;
}

/** What the parts that begin receive. */
export interface ProgressInput {
  readonly input: FlowInput | undefined;
  readonly parentId: string | undefined;
}
