/**
 * What `celeriac call` remarks about a task that may never run: a name nobody knows, a queue nobody takes from. Remarks
 * go to stderr and change nothing: the task is sent, and the worker that knows it may start later. Never rejects, never
 * fails the command.
 */
import type { Celeriac } from '../../app.js';
import { sleep } from '../../timers.js';
import { appSpec, type GlobalFlags } from '../connect.js';
import type { Replies } from './broadcast.js';

/** How long `call --wait` waits before it looks whether anybody takes from the queue. */
const SILENT_MS = 3000;
/** How long a worker may take to say what it knows: the command ends so much later at most. */
const ANSWER_MS = 500;

/** A remark on a name that neither the app of `-A` nor a worker that is online knows; undefined where one does. */
export async function unknownName(
  app: Celeriac,
  flags: GlobalFlags,
  name: string,
): Promise<string | undefined> {
  try {
    const spec = appSpec(flags);
    // Without -A there is no code to know any.
    const own = spec === undefined ? [] : app.worker().describe().tasks;
    if (own.includes(name)) return undefined;
    const workers = listsOf<string>(await app.inspect({ timeout: ANSWER_MS }).registered());
    const known = [...new Set([...own, ...workers.flat()])];
    if (known.includes(name) || (spec === undefined && workers.length === 0)) return undefined;
    const { nearest } = await import('../../options/names.js');
    const near = nearest(name, known);
    const online = workers.length === 0 ? 'no worker is online' : 'neither does any worker that is online';
    const who =
      spec === undefined
        ? `no worker that is online knows a task "${name}"`
        : `${spec} registers no task "${name}", and ${online}`;
    return `${who}.${near === undefined ? '' : ` Did you mean "${near}"?`} It was sent all the same.`;
  } catch {
    return undefined; // the broker went: whatever else the command does says so
  }
}

/** A remark on a queue that no worker takes from, after a while; undefined where one does, or `signal` aborts first. */
export async function nobodyTakes(
  app: Celeriac,
  sent: ReturnType<Celeriac['result']>,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    await sleep(SILENT_MS, { signal });
    if (signal.aborted) return undefined;
    const [{ queue, state }, replies] = await Promise.all([sent.snapshot(), app.inspect().activeQueues()]);
    const workers = listsOf<{ readonly name: string }>(replies);
    const taken = workers.some((queues) => queues.some(({ name }) => name === queue));
    if (taken || queue === undefined || state !== 'PENDING' || signal.aborted) return undefined;
    return `no worker that is online takes from the queue "${queue}"; still waiting.`;
  } catch {
    return undefined; // as above
  }
}

/** What the workers answered that could answer. */
function listsOf<T>(replies: Replies): (readonly T[])[] {
  return Object.values(replies).filter((reply) => Array.isArray(reply));
}
