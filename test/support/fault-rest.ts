/** What a fault campaign leaves behind: in the queues, and in the workers. */
import type { TestContext } from 'node:test';
import { BrokerUnavailableError } from 'celeriac';
import { until } from './app.js';
import { type FaultPlace, faultApp } from './fault-tasks.js';

export interface Rest {
  /** What is not as it should be once all is over, one line each. */
  readonly left: readonly string[];
  /** Of each worker, in use and in all. */
  readonly slots: readonly string[];
}

/** Looks until nothing is left, or it has lasted too long: then what is. */
export async function leftIn(
  t: Pick<TestContext, 'after'>,
  place: FaultPlace,
  workers: number,
): Promise<Rest> {
  const app = faultApp(place);
  t.after(() => app.close());
  let rest: Rest = { left: ['nobody answered'], slots: [] };
  const look = async () => {
    const queues = (await app.queues.list()).flatMap((queue) => {
      const { name, waiting, active, delayed, waitingChildren } = queue;
      const sum = waiting + active + delayed + waitingChildren;
      return sum === 0 ? [] : [`queue ${name} is left with ${JSON.stringify(queue)}`];
    });
    const replies = Object.entries(await app.inspect({ timeout: '2s' }).stats());
    const stats = replies.flatMap(([node, reply]) => ('error' in reply ? [] : [[node, reply] as const]));
    const wrong = stats.flatMap(([node, { slots, running, concurrency }]) => {
      const free =
        slots.used === 0 && running === 0 && slots.size === concurrency && slots.free === slots.size;
      return free ? [] : [`${node} is idle and has ${JSON.stringify({ slots, running, concurrency })}`];
    });
    const missing = stats.length === workers ? [] : [`${stats.length} of ${workers} workers answer`];
    rest = {
      left: [...queues, ...missing, ...wrong],
      slots: stats.map(([, { slots }]) => `${slots.used}/${slots.size}`),
    };
    return rest.left.length === 0;
  };
  const patiently = () => look().catch(unlessAway);
  await until(patiently, 'rest', 30_000).catch(() => undefined);
  return rest;
}

/** For questions that may meet a connection which was just cut. */
export function unlessAway(error: unknown): undefined {
  if (!(error instanceof BrokerUnavailableError)) throw error;
}
