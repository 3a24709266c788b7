/** The attempts of a task, as far as the broker keeps them: the stacks of those that failed, and the moments of the last. */
import type { Engine } from '../../broker/broker.js';
import type { TaskRecord } from '../../coordination/task-record.js';
import { unpackStack } from '../../protocol/message.js';
import { parkIn } from '../../protocol/waiting.js';
import type { Run, RunAttempt, RunError } from '../api.js';

/** The readable stack of a task's error; `null` for none. */
export function stackText({ stack }: Pick<TaskRecord, 'stack'>): string | null {
  if (stack === undefined || parkIn(stack) !== undefined) return null;
  const text = unpackStack(stack).stack;
  return text === '' ? null : text;
}

export async function readAttempts(
  engine: Pick<Engine, 'backend'>,
  task: TaskRecord,
  run: Run,
): Promise<RunAttempt[]> {
  if (run.deliveries === 0 && run.error === null) return [];
  const stacks =
    run.retries > 0 ? await stacksOf(engine, task) : task.stack === undefined ? [] : [task.stack];
  return attemptsOf(stacks, run);
}

/**
 * Pure.
 * @param stacks of the failed attempts that are kept, the last ones, in order
 */
export function attemptsOf(stacks: readonly string[], run: Run): RunAttempt[] {
  const failed = stacks.filter((stack) => parkIn(stack) === undefined);
  const ended = run.doneAt !== null;
  // A task that succeeded keeps the stacks of the attempts before.
  const lastFailed = ended && run.error !== null;
  const last = run.retries;
  const failures = lastFailed ? failed : failed.slice(-last || failed.length);
  const firstKept = (lastFailed ? last + 1 : last) - failures.length;
  const attempts: RunAttempt[] = [];
  for (let attempt = 0; attempt <= last; attempt++) {
    const stack = failures[attempt - firstKept];
    const isLast = attempt === last;
    if (isLast && run.startedAt === null && stack === undefined) continue; // has not begun
    attempts.push({
      attempt,
      startedAt: isLast ? run.startedAt : null,
      endedAt: isLast ? run.doneAt : null,
      worker: isLast ? run.worker : null,
      error: stack === undefined ? null : errorIn(stack, isLast ? run.error : null),
    });
  }
  return attempts;
}

function errorIn(packed: string, known: RunError | null): NonNullable<RunAttempt['error']> {
  const { stack, wireError } = unpackStack(packed);
  const wire = typeof wireError === 'object' && wireError !== null ? (wireError as Partial<RunError>) : {};
  const [first = ''] = stack.split('\n', 1);
  const [, name = 'Error', message = first] = /^([\w$.]+): (.*)$/.exec(first) ?? [];
  return {
    name: wire.name ?? known?.name ?? name,
    message: wire.message ?? known?.message ?? message,
    stack: stack === '' ? null : stack,
  };
}

async function stacksOf(
  engine: Pick<Engine, 'backend'>,
  { queue, id, stack }: TaskRecord,
): Promise<string[]> {
  const kept = stack === undefined ? [] : [stack];
  const backend = await engine.backend(queue);
  const job: unknown = await backend.getJobData(id);
  const list: unknown = typeof job === 'object' && job !== null ? Reflect.get(job, 'stacktrace') : undefined;
  const stacks = typeof list === 'string' ? parsed(list) : list;
  return Array.isArray(stacks) ? stacks.filter((each) => typeof each === 'string') : kept;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // another program's
  }
}
