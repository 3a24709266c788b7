/**
 * What was sent to a task that another one has replaced since: from outside both are one task, so the values that it did
 * not wait for itself are its heir's. The heir finds them when it begins to wait; what comes while the place changes hands
 * is passed on when the replaced task has ended.
 *
 *   a value comes                                     the heir gets it
 *   before the task is replaced                       when it begins to wait: it looks at those it is the heir of
 *   after that, before the task's end is written      the same way, or from the worker that has written the end
 *   later                                             by itself: senders see who has the place
 */
import type { Engine, JobRef } from '../broker/broker.js';
import { partOf } from '../protocol/ids.js';
import type { Forebear } from '../protocol/message.js';
import { answerField, sentNames, stepField } from '../protocol/steps.js';
import { PartMail } from './part-mail.js';
import { type WakingEngine, wakeIfAnswered } from './wake.js';

/** What was sent to the tasks before the heir under a name; undefined for nothing, or where one of them has waited for it. */
export async function inherited(
  steps: Pick<Engine['steps'], 'read'>,
  mail: Pick<PartMail, 'read'>,
  forebears: readonly Forebear[],
  name: string,
): Promise<string | undefined> {
  for (const { queue, id, used } of forebears) {
    if (used?.includes(name)) continue;
    const fields = await steps.read({ queue, id });
    // A part of a workflow leaves no fields, but its mail.
    const sent = fields.get(answerField(name)) ?? (await mail.read(id, name));
    if (sent !== undefined) return sent;
  }
  return undefined;
}

/**
 * Passes on what was sent to a task, now that its end is written and nothing more is taken for it.
 * @param heir finds the task that has its place
 */
export async function passOn(
  engine: WakingEngine,
  from: JobRef,
  heir: () => Promise<JobRef | undefined>,
  now: number,
): Promise<void> {
  const fields = await engine.steps.read(from);
  const names = sentNames(fields).filter((name) => !fields.has(stepField(name)));
  if (names.length === 0) return;
  const to = await heir();
  const part = to && partOf(to.id);
  if (to === undefined || part === undefined) return;
  const mail = new PartMail(engine);
  for (const name of names) {
    const posted = await mail.post(part, name, fields.get(answerField(name)) ?? '');
    if (posted === undefined) return; // the replacement has ended
    await give(engine, to, name, posted.stands, now);
  }
}

/** Gives a value to a task, and wakes it up if it waits for the value. */
export async function give(
  engine: WakingEngine,
  to: JobRef,
  name: string,
  value: string,
  now: number,
): Promise<void> {
  const field = answerField(name);
  const sent = await engine.steps.send(to, { field, value, awaitedIf: stepField(name), now });
  if (sent === 'awaited') await wakeIfAnswered(engine, to, true);
}
