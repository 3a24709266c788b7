/**
 * Warnings of `celeriac call` about a task that may never run: an unknown name, a queue without workers. They go to
 * stderr and change nothing: the task is sent, since a worker that knows it may start later. They never reject and
 * never fail the command.
 */
import type { Celeriac } from '../../app.js';
import { sleep } from '../../timers.js';
import { appSpec, type GlobalFlags } from '../connect.js';
import type { Replies } from './broadcast.js';

/** How long `call --wait` waits before it checks whether a worker takes from the queue. */
const SILENT_MS = 3000;
/** How long a worker may take to answer; delays the end of the command by no more than this. */
const ANSWER_MS = 500;

/** A warning if neither the app of `-A` nor an online worker knows the name; undefined if one does. */
export async function unknownName(
  app: Celeriac,
  flags: GlobalFlags,
  name: string,
): Promise<string | undefined> {
  try {
    const spec = appSpec(flags);
    // Without -A there is no code that could know a name.
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
    return undefined; // the broker is away: the command itself reports it
  }
}

/** A warning, after a while, if no worker takes from the queue; undefined if one does, or if `signal` aborts first. */
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

/** The replies that are no errors. */
function listsOf<T>(replies: Replies): (readonly T[])[] {
  return Object.values(replies).filter((reply) => Array.isArray(reply));
}
