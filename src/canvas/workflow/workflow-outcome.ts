/** How parts and whole workflows end, and what follows from it. */
import type { WorkflowWritten } from '../../broker/broker.js';
import type { FlowInput } from '../../protocol/message.js';
import type { Next } from './advance.js';
import type { Plan, Start } from './plan.js';
import type { Ending, FailureCause } from './record.js';

/**
 * The outcome of recording a part's end: recorded; recorded, with the workflow over and to be forgotten; or too late,
 * because the workflow is no longer kept or was revoked.
 */
export type ProgressResult = 'recorded' | 'forgotten' | 'gone' | { readonly revoked: string | undefined };

/** A failed part, with what errbacks receive. */
export interface FailedPart {
  readonly blame: FailureCause;
  /** Set when it was revoked; `null` without a reason. */
  readonly revoked?: string | null;
  /** The encoded request. */
  readonly request: unknown;
}

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

/** The steps that follow from the end of a part: see `progress`. */
export interface PartSteps {
  succeed(
    flow: string,
    plan: Plan,
    path: string,
    ending: Ending,
    parentId?: string | undefined,
  ): Promise<ProgressResult>;
  afterwards(
    flow: string,
    plan: Plan,
    next: Next,
    success: WrittenSuccess,
  ): Promise<ProgressResult | { readonly group: string; readonly size: number }>;
  endedMember(
    flow: string,
    plan: Plan,
    member: { readonly group: string; readonly size: number; readonly write: number },
    written: WorkflowWritten,
  ): Promise<ProgressResult | undefined>;
  close(flow: string, plan: Plan, reason: string | undefined): Promise<void>;
  begin(flow: string, plan: Plan, begun: readonly Start[], given?: ProgressInput): Promise<ProgressResult>;
}
