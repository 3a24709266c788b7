/** `GET overview`: the fleet at a glance. */
import { bullmqVersion } from '../../broker/bullmq-version.js';
import { maskUrl } from '../../options/readable.js';
import { VERSION } from '../../version.js';
import type { Overview } from '../api.js';
import { filterFrom } from '../runs/run-filter.js';
import { findRuns } from '../runs/run-list.js';
import type { ApiCall } from '../web-context.js';
import { totalsOf } from './queue-list.js';
import { workerViews } from './worker-list.js';

const FAILURES = 10;
/** Points in one answer; with a longer history only the latest. */
const MOST_POINTS = 720;
const NOTHING = { sent: 0, started: 0, succeeded: 0, failed: 0, retried: 0 };

/** The handler. */
export async function showOverview({ context }: ApiCall): Promise<Overview> {
  const { app, parts, watch, settings } = context;
  const [queues, replies, failures] = await Promise.all([
    context.queues.get(),
    context.fleet.get(),
    findRuns(context, {
      filter: filterFrom({ state: 'FAILURE' }),
      newest: true,
      limit: FAILURES,
      cursor: undefined,
    }),
  ]);
  const { statistics } = watch;
  const now = parts.clock.now();
  const workers = workerViews(replies, watch.workers.all(now), now).filter(({ online }) => online);
  const slots = (which: 'size' | 'used') =>
    workers.reduce((n, worker) => n + (worker.slots?.[which] ?? 0), 0);
  return {
    app: app.name,
    broker: maskUrl(parts.engine.address),
    versions: { celeriac: VERSION, node: process.version.slice(1), bullmq: await bullmqVersion() },
    at: new Date(parts.clock.now()).toISOString(),
    readOnly: settings.readOnly,
    since: statistics === undefined ? null : new Date(statistics.since).toISOString(),
    rates: { perSecond: statistics?.rates(now) ?? NOTHING },
    series: statistics?.series.slice(-MOST_POINTS) ?? [],
    queues: totalsOf(queues),
    workers: { online: workers.length, busy: slots('used'), slots: slots('size') },
    failures: failures.found.map(({ run }) => run),
  };
}
