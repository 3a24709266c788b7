/**
 * A process that waits for tasks of which it has only the ids. Told `{ wait: ids }` it calls get() on all of them at once
 * and says `waiting`; each end is counted, and what does not match `{ expect }` told. It can say what it uses.
 */
import { getEventListeners } from 'node:events';
import { Celeriac } from 'celeriac';

interface Order {
  /** Task ids; the value of each is its place in the list, from `first` on. */
  wait?: string[];
  first?: number;
  /** Say what this process uses now; after a collection of garbage where told. */
  usage?: number;
  gc?: boolean;
}

const [broker = '', prefix = ''] = process.argv.slice(2);
const app = new Celeriac('waiter', { broker, prefix, publishRetry: '20s' });
const gone = new AbortController();
let waiting = 0;

process.on('message', (order: Order) => {
  if (order.wait !== undefined) void waitFor(order.wait, order.first ?? 0);
  if (order.gc) globalThis.gc?.();
  if (order.usage !== undefined) process.send?.(usage(order.usage));
});
process.on('disconnect', () => process.exit());
process.send?.({ up: true });

async function waitFor(ids: readonly string[], first: number): Promise<void> {
  waiting += ids.length;
  const ended = Promise.all(ids.map((id, i) => waitForOne(id, first + i)));
  process.send?.({ waiting: ids.length, first });
  const outcomes = await ended;
  const wrong = outcomes.flatMap(({ wrong }) => (wrong === undefined ? [] : [wrong]));
  // Reads the ends when all is over: unlike get(), a read does not wait for a broker that is away.
  const doneAts = await Promise.all(ids.map(async (id) => (await app.result(id).dateDone)?.getTime() ?? 0));
  const lateMs = Math.max(...outcomes.map(({ heardAt }, i) => heardAt - (doneAts[i] ?? 0)));
  process.send?.({ ended: ids.length, first, lateMs, wrong: wrong.slice(0, 5), wrongs: wrong.length });
}

async function waitForOne(id: string, value: number): Promise<{ wrong?: string; heardAt: number }> {
  try {
    const got = await app.result<number>(id).get({ signal: gone.signal });
    return { heardAt: Date.now(), ...(got !== value && { wrong: `${id}: ${got} instead of ${value}` }) };
  } catch (error) {
    return { heardAt: 0, wrong: `${id}: ${String(error)}` };
  } finally {
    waiting--;
  }
}

function usage(asked: number): object {
  const { user, system } = process.cpuUsage();
  const resources: Record<string, number> = {};
  for (const name of process.getActiveResourcesInfo()) resources[name] = (resources[name] ?? 0) + 1;
  return {
    usage: asked,
    waiting,
    cpuMs: (user + system) / 1000,
    heapBytes: process.memoryUsage().heapUsed,
    listeners: getEventListeners(gone.signal, 'abort').length,
    resources,
  };
}
