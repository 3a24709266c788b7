/**
 * A process that waits for tasks of which it has only the ids. Told `{ wait: ids }` it calls get() on all of them at once
 * and says `waiting`; told `{ call: count }` it calls them itself; told `{ giveUp: ids }` it waits for a moment only. Each end
 * is counted, and a value that is not the task's place in the order is told. It can say what it uses.
 */
import { getEventListeners } from 'node:events';
import { type AsyncResult, Celeriac, ResultTimeoutError } from 'celeriac';

interface Order {
  /** Task ids; the value of each is its place in the list, from `first` on. */
  wait?: string[];
  call?: number;
  giveUp?: string[];
  first?: number;
  /** Say what this process uses now; after a collection of garbage where told. */
  usage?: number;
  gc?: boolean;
}

interface Outcome {
  readonly beganAt: number;
  readonly heardAt: number;
  readonly wrong?: string;
}

const [broker = '', prefix = ''] = process.argv.slice(2);
const app = new Celeriac('waiter', { broker, prefix, publishRetry: '20s' });
const gone = new AbortController();
let waiting = 0;

process.on('message', (order: Order) => {
  if (order.wait !== undefined) void waitFor(order.wait, order.first ?? 0);
  if (order.call !== undefined) void call(order.call, order.first ?? 0);
  if (order.giveUp !== undefined) void giveUp(order.giveUp, order.first ?? 0);
  if (order.gc) globalThis.gc?.();
  if (order.usage !== undefined) process.send?.(usage(order.usage));
});
process.on('disconnect', () => process.exit());
process.send?.({ up: true });

async function waitFor(ids: readonly string[], first: number): Promise<void> {
  const ended = Promise.all(ids.map((id, i) => waitForOne(app.result(id), first + i)));
  process.send?.({ waiting: ids.length, first });
  const outcomes = await ended;
  // Reads the ends when all is over: unlike get(), a read does not wait for a broker that is away.
  const doneAts = await Promise.all(ids.map(async (id) => (await app.result(id).dateDone)?.getTime() ?? 0));
  const lateMs = Math.max(...outcomes.map(({ heardAt }, i) => heardAt - (doneAts[i] ?? 0)));
  const early = outcomes.filter(({ beganAt }, i) => beganAt <= (doneAts[i] ?? 0)).length;
  tell(outcomes, { first, lateMs, early });
}

async function call(count: number, first: number): Promise<void> {
  const callOne = async (n: number) => waitForOne(await app.sendTask('echo', [n], { queue: 'one' }), n);
  const outcomes = await Promise.all(Array.from({ length: count }, (_, i) => callOne(first + i)));
  tell(outcomes, { first });
}

/** Half by a timeout, half by a signal. */
async function giveUp(ids: readonly string[], first: number): Promise<void> {
  const enough = new AbortController();
  const beganAt = Date.now();
  const outcomes = ids.map(async (id, i) => {
    const how = i % 2 === 0 ? { timeout: '500ms' } : { signal: enough.signal };
    const error: unknown = await app
      .result(id)
      .get({ ...how, propagate: false })
      .then(Boolean, (e) => e);
    const expected = i % 2 === 0 ? error instanceof ResultTimeoutError : error === enough.signal.reason;
    return { beganAt, heardAt: Date.now(), ...(!expected && { wrong: `${id}: ${error}` }) };
  });
  setTimeout(() => enough.abort(), 500);
  const all: Outcome[] = await Promise.all(outcomes);
  const left = getEventListeners(enough.signal, 'abort').length;
  tell(left === 0 ? all : [...all, { beganAt, heardAt: 0, wrong: `${left} listeners` }], { first });
}

async function waitForOne(result: AsyncResult, value: number): Promise<Outcome> {
  const beganAt = Date.now();
  waiting++;
  try {
    // Every second one with a timeout: its timer must not outlive it.
    const timeout = value % 2 === 0 ? {} : { timeout: '1h' };
    const got = await result.get({ signal: gone.signal, ...timeout });
    const heardAt = Date.now();
    return got === value
      ? { beganAt, heardAt }
      : { beganAt, heardAt, wrong: `${result.id}: ${got} instead of ${value}` };
  } catch (error) {
    return { beganAt, heardAt: 0, wrong: `${result.id}: ${String(error)}` };
  } finally {
    waiting--;
  }
}

function tell(outcomes: readonly Outcome[], rest: object): void {
  const wrong = outcomes.flatMap(({ wrong }) => (wrong === undefined ? [] : [wrong]));
  process.send?.({ ended: outcomes.length, wrong: wrong.slice(0, 5), wrongs: wrong.length, ...rest });
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
