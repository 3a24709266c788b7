/**
 * Runs a task in the caller's process, through the same steps as a worker: validation, hooks, middleware, limits and
 * retries, which follow each other without delay. What it writes goes nowhere.
 */
import type { Delivery } from '../broker/consumer.js';
import { MESSAGE_VERSION, type Message } from '../broker/message.js';
import { TaskFailedError, TaskRevokedError } from '../errors.js';
import type { ResolvedCall } from '../options/call-options.js';
import { type EagerOutcome, EagerResult } from '../results/eager-result.js';
import { FAILURE, REVOKED, SUCCESS } from '../states.js';
import { errorNameOf } from '../tasks/failure.js';
import type { Executor } from './execute.js';
import type { Outcome } from './outcome.js';

/** A call to be run eagerly. */
export interface EagerCall {
  readonly taskId: string;
  readonly name: string;
  readonly queue: string;
  /** As they would travel. */
  readonly encodedArgs: unknown;
  readonly call: ResolvedCall;
  readonly now: number;
}

export async function runEagerly<R>(executor: Executor, eager: EagerCall): Promise<EagerResult<R>> {
  for (let retries = 0; ; retries++) {
    const { outcome } = await executor.execute(deliveryOf(eager, retries));
    if (outcome.kind === 'retry') continue;
    return new EagerResult<R>(eager.taskId, interpret<R>(eager, outcome));
  }
}

function interpret<R>({ taskId, name }: EagerCall, outcome: Outcome): EagerOutcome<R> {
  switch (outcome.kind) {
    case 'success':
      return { state: SUCCESS, value: outcome.value as R };
    case 'failure': {
      const { error } = outcome;
      const cause = error instanceof Error ? error : new Error(String(error));
      return {
        state: FAILURE,
        error: new TaskFailedError({
          taskId,
          taskName: name,
          errorName: errorNameOf(error),
          message: cause.message,
          remoteStack: cause.stack,
          cause,
        }),
      };
    }
    case 'revoked':
      return {
        state: REVOKED,
        error: new TaskRevokedError({ taskId, taskName: name, reason: outcome.reason }),
      };
    default:
      return { state: SUCCESS };
  }
}

function deliveryOf({ taskId, name, queue, encodedArgs, call, now }: EagerCall, retries: number): Delivery {
  const message: Message = {
    v: MESSAGE_VERSION,
    args: encodedArgs,
    ...(call.headers && { headers: call.headers }),
    ...(call.expiresAt !== undefined && { expires: call.expiresAt }),
    ...(call.softTimeLimitMs !== undefined && { soft: call.softTimeLimitMs }),
    ...(call.timeLimitMs !== undefined && { hard: call.timeLimitMs }),
    ...(call.maxRetries !== undefined && {
      retries: Number.isFinite(call.maxRetries) ? call.maxRetries : null,
    }),
  };
  return {
    taskId,
    jobId: taskId,
    queue,
    ref: { queue, id: taskId },
    name,
    message,
    turn: undefined,
    hasParent: false,
    retries,
    deliveries: retries + 1,
    stalls: 0,
    priority: call.priority ?? 0,
    sentAt: now,
    saveProgress: async () => undefined,
    afterwards: () => undefined,
  };
}
