/** What happened to a task, in the order of time, from its record. Pure. */
import { FAILURE, RETRY, REVOKED, SUCCESS, WAITING } from '../../states.js';
import type { Run, RunAttempt, RunStep, TimelineEntry } from '../api.js';

export function timelineOf(
  run: Run,
  attempts: readonly RunAttempt[],
  steps: readonly RunStep[],
): TimelineEntry[] {
  const entries: TimelineEntry[] = [];
  const add = (at: string | null, what: string, detail: string | null = null) => {
    if (at !== null) entries.push({ at, what, detail });
  };
  add(run.sentAt, 'sent', run.queue);
  if (run.eta !== null && run.state !== WAITING) add(run.eta, 'due');
  add(run.startedAt, 'started', run.worker);
  for (const { name, kind, startedAt, doneAt } of steps) {
    add(startedAt, kind, name);
    if (kind !== 'step') add(doneAt, `${kind} over`, name);
  }
  const last = attempts.at(-1)?.error;
  const why = last == null ? errorText(run) : `${last.name}: ${last.message}`;
  if (run.state === SUCCESS) add(run.doneAt, 'succeeded');
  else if (run.state === FAILURE) add(run.doneAt, 'failed', why);
  else if (run.state === REVOKED) add(run.doneAt, 'revoked', run.error?.message ?? null);
  else if (run.state === RETRY) add(run.startedAt, 'retry', why);
  const order = new Map(entries.map((entry, i) => [entry, i]));
  return entries.sort(
    (a, b) => Date.parse(a.at) - Date.parse(b.at) || (order.get(a) ?? 0) - (order.get(b) ?? 0),
  );
}

function errorText({ error }: Run): string | null {
  return error === null ? null : `${error.name}: ${error.message}`;
}
