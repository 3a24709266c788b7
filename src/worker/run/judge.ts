/** What a thrown value means for its task: ignored, rejected, retried or failed. Never throws, never rejects. */
import type { BrokerClock } from '../../broker/clock.js';
import { packAgain } from '../../calls/pack-call.js';
import { isCeleriacError, type Reject } from '../../errors.js';
import { checkDeclared, type DeclaredQueues } from '../../options/queues.js';
import { allTags } from '../../options/tags.js';
import { laneOf } from '../../protocol/lanes.js';
import type { Message } from '../../protocol/message.js';
import { startsOf } from '../../queue/delivery.js';
import type { RetryChange } from '../../queue/settlement.js';
import { checkJson } from '../../tasks/json-check.js';
import type { RegisteredTask } from '../../tasks/registry.js';
import type { WireCodec } from '../../tasks/wire-codec.js';
import type { Outcome } from './outcome.js';
import {
  afterBrokenRule,
  afterError,
  afterRetryRequest,
  type RetryCase,
  RetryRequest,
} from './retry-policy.js';
import type { RunningCall } from './running-call.js';

export interface JudgeParams {
  readonly clock: Pick<BrokerClock, 'now'>;
  readonly codec: WireCodec;
  /** Time zone of moments that name none. */
  readonly timezone: string;
  /** The queues that a task may go to; undefined: any. */
  readonly queues?: DeclaredQueues;
}

/** The pause of a task that puts itself back, ms: at first, and at most. It doubles, since others may find no use for it. */
const PUT_BACK_MS = 100;
const LONGEST_PUT_BACK_MS = 10_000;

/** The outcome of a thrown value. A promise only for a retry with other arguments, whose check may need one. */
export function judge(
  params: JudgeParams,
  error: unknown,
  call: RunningCall,
  task: RegisteredTask,
): Outcome | Promise<Outcome> {
  const outcome = judged(params, error, call, task);
  if (outcome.kind !== 'retry' || !(error instanceof RetryRequest)) return outcome;
  const { args } = error.options;
  if (args === undefined && error.changes === undefined) return outcome;
  return withChange(params, outcome, error, call, task);
}

/** As {@link judge}, for errors that cannot be a request of the task. */
export function judged(
  { clock, timezone }: JudgeParams,
  error: unknown,
  call: RunningCall,
  task: RegisteredTask,
): Outcome {
  if (isCeleriacError(error, 'IGNORE')) return { kind: 'ignore' };
  if (isCeleriacError(error, 'REJECT')) return rejected(error as Reject, call);
  if (isCeleriacError(error, 'NOT_SERIALIZABLE') || isCeleriacError(error, 'BATCH'))
    return { kind: 'failure', error };
  const { message, retries } = call.delivery;
  const retryCase: RetryCase = {
    taskName: task.name,
    policy: task.run,
    retries,
    maxRetries: message.retries === null ? Number.POSITIVE_INFINITY : message.retries,
    now: clock.now(),
    timezone,
    random: Math.random,
  };
  try {
    return error instanceof RetryRequest ? afterRetryRequest(error, retryCase) : afterError(error, retryCase);
  } catch (ruleError) {
    call.log.error({ error: ruleError }, `the retry rule of ${task.name} threw; the task is not retried`);
    return afterBrokenRule(error, ruleError);
  }
}

function rejected(error: Reject, { delivery }: RunningCall): Outcome {
  if (error.requeue !== true) return { kind: 'failure', error: error.cause ?? error, rejected: true };
  const doublings = Math.min(startsOf(delivery) - 1, 20);
  return {
    kind: 'requeue',
    reason: error.message,
    delayMs: Math.min(PUT_BACK_MS * 2 ** doublings, LONGEST_PUT_BACK_MS),
  };
}

/** Other arguments are checked as those of a call: wrong ones fail the task, as they would fail a call. */
async function withChange(
  { codec, queues }: JudgeParams,
  outcome: Extract<Outcome, { kind: 'retry' }>,
  { options, changes }: RetryRequest,
  call: RunningCall,
  task: RegisteredTask,
): Promise<Outcome> {
  try {
    const again = options.args === undefined ? undefined : await packed(codec, options.args, call, task);
    const { queue, priority } = changes ?? {};
    if (queue !== undefined) checkDeclared(queues, queue, `${task.name}: this.retry`);
    const change: RetryChange = {
      ...(again !== undefined && { args: again.text }),
      fields: { ...changedFields(call.delivery.message, changes), ...again?.fields },
      ...(priority !== undefined && { priority }),
      ...(queue !== undefined &&
        queue !== call.delivery.queue && { place: task.lane ? laneOf(queue, task.name) : queue }),
    };
    return { ...outcome, change };
  } catch (error) {
    return { kind: 'failure', error };
  }
}

function packed(codec: WireCodec, args: readonly unknown[], call: RunningCall, task: RegisteredTask) {
  const { message } = call.delivery;
  return packAgain(codec, message.each === true ? { ...task, each: true } : task, message, args);
}

/** The fields of the message that change. */
function changedFields(message: Message, changes: RetryRequest['changes']): RetryChange['fields'] {
  if (changes === undefined) return {};
  const { headers, tags, shadow, softTimeLimitMs: soft, timeLimitMs: hard } = changes;
  return {
    ...(headers !== undefined && {
      headers: { ...message.headers, ...(checkJson(headers, 'headers').value as Record<string, unknown>) },
    }),
    ...(tags !== undefined && { tags: allTags(message.tags, tags) }),
    ...(shadow !== undefined && { shadow }),
    ...(soft !== undefined && { soft }),
    ...(hard !== undefined && { hard }),
  };
}
