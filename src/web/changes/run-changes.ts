/** Changes of one task: revoke, retry, run now, delete. Each gives why it was refused, or `undefined`. */
import { isDeepStrictEqual } from 'node:util';
import { packAgain } from '../../calls/pack-call.js';
import type { TaskRecord } from '../../coordination/task-record.js';
import { UnknownTaskError } from '../../errors.js';
import { amendMessage, readMessage } from '../../protocol/message.js';
import type { RevokeOptions } from '../../results/revoke.js';
import { stateOf } from '../../results/snapshot.js';
import { FAILURE, READY, WAITING } from '../../states.js';
import { shownInstead } from '../../tasks/shown-arguments.js';
import type { WebContext } from '../web-context.js';

/** Tries to change a message that others change too. */
const MOST_TRIES = 20;

export async function revokeRun(
  { app }: WebContext,
  id: string,
  options: RevokeOptions,
): Promise<string | undefined> {
  const { found, was } = await app.result(id).revoke(options);
  if (!found) return 'no such task is known';
  return was !== undefined && READY.has(was) ? `it has ended: ${was}` : undefined;
}

/** @param args instead of those it had */
export async function retryRun(
  context: WebContext,
  id: string,
  args?: readonly unknown[],
): Promise<string | undefined> {
  const { app } = context;
  if (args !== undefined) {
    const refused = await replaceArguments(context, id, args);
    if (refused !== undefined) return refused;
  }
  const { refused } = await app.failed.retry(id);
  return Object.values(refused)[0];
}

/** A field that is undefined is left out of a message. */
const WITHOUT_ETA = { eta: undefined } as object;

/** Lets a task start that waits for its moment. */
export async function runNow({ parts }: WebContext, id: string): Promise<string | undefined> {
  const { engine, index, tasks, clock } = parts;
  await clock.sync();
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const ref = await index.locate(id);
    const [task] = ref === undefined ? [] : await tasks.read([ref]);
    if (task === undefined) throw new UnknownTaskError(id);
    const message = readMessage(task.data);
    const state = stateOf(task, message, clock.now());
    if (READY.has(state)) return `it has ended: ${state}`;
    if (task.running) return 'it runs';
    if (state === WAITING) return 'it waits for what it asked for itself; send it that';
    if (task.kind !== 'job' && task.kind !== 'moved') return 'its turn in its workflow has not come';
    const place = { queue: task.queue, id: task.id };
    if (message.eta !== undefined) {
      const data = amendMessage(task.data, WITHOUT_ETA);
      if (!(await engine.amendData(place, task.data, data))) continue;
    }
    const backend = await engine.backend(task.queue);
    // Refused for a task that is not delayed: then it waits for a slot only, and there is nothing to do.
    await backend.promote(task.id).catch(() => undefined);
    engine.signals.notify(task.id);
    return undefined;
  }
  return 'others changed it again and again meanwhile';
}

/** Drops the record of a task that has ended. */
export async function deleteRun(context: WebContext, id: string): Promise<string | undefined> {
  const { app } = context;
  const { known, state } = await app.result(id).snapshot();
  if (!known) return 'no such task is known';
  if (!READY.has(state)) return 'it has not ended; revoke it first';
  if (state === FAILURE) {
    const { refused } = await app.failed.delete(id);
    const [why] = Object.values(refused);
    // A part of a workflow has no record of its own among the failed ones.
    if (why === undefined) return undefined;
  }
  await app.result(id).forget();
  return undefined;
}

/** Replaces the arguments of a failed task. @throws what a call with these arguments would throw */
async function replaceArguments(
  { parts }: WebContext,
  id: string,
  args: readonly unknown[],
): Promise<string | undefined> {
  const { engine, index, tasks, codec, scheduling } = parts;
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const ref = await index.locate(id);
    const [task] = ref === undefined ? [] : await tasks.read([ref]);
    if (task === undefined) throw new UnknownTaskError(id);
    if (!isFailed(task, parts.clock.now())) return 'it has not failed';
    const target = scheduling.registry.get(task.name) ?? scheduling.reference(task.name);
    // Who edits hidden arguments begins with what is shown of them; sent back as it is, it changes nothing.
    const shown = shownInstead(readMessage(task.data), target);
    if (shown !== undefined && isDeepStrictEqual(args, shown)) return undefined;
    const { text, fields } = await packAgain(codec, target, readMessage(task.data), args);
    const data = {
      ...(JSON.parse(task.data) as object),
      args: JSON.parse(text) as unknown,
      ...fields,
    };
    if (await engine.amendData({ queue: task.queue, id: task.id }, task.data, data)) return undefined;
  }
  return 'others changed it again and again meanwhile';
}

function isFailed(task: TaskRecord, now: number): boolean {
  return task.kind !== 'part' && stateOf(task, readMessage(task.data), now) === FAILURE;
}
