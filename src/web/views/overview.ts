/** `GET overview`: the fleet at a glance. */
import { bullmqVersion } from '../../broker/bullmq-version.js';
import { maskUrl } from '../../options/readable.js';
import { VERSION } from '../../version.js';
import type { Overview, SeriesPoint } from '../api.js';
import { filterFrom } from '../runs/run-filter.js';
import { findRuns } from '../runs/run-list.js';
import type { ApiCall } from '../web-context.js';
import { totalsOf } from './queue-list.js';
import { workerViews } from './worker-list.js';

const FAILURES = 10;
/** Points in one answer; of a longer history every second one, every third, … */
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
    series: thinned(statistics?.series ?? []),
    queues: totalsOf(queues),
    workers: { online: workers.length, busy: slots('used'), slots: slots('size') },
    failures: failures.found.map(({ run }) => run),
  };
}

/** Means of counts, and the largest of percentiles, over as many points as make a short enough list. Pure. */
export function thinned(points: readonly SeriesPoint[], most = MOST_POINTS): readonly SeriesPoint[] {
  const each = Math.ceil(points.length / most);
  if (each <= 1) return points;
  const thin: SeriesPoint[] = [];
  for (let at = points.length % each; at < points.length; at += each) {
    const some = points.slice(at, at + each);
    const mean = (name: 'sent' | 'started' | 'succeeded' | 'failed' | 'retried') =>
      some.reduce((n, point) => n + point[name], 0) / some.length;
    const largest = (name: 'runtimeP50' | 'runtimeP95' | 'waitP50' | 'waitP95') => {
      const values = some.flatMap((point) => point[name] ?? []);
      return values.length === 0 ? null : Math.max(...values);
    };
    thin.push({
      at: some[0]?.at ?? '',
      sent: mean('sent'),
      started: mean('started'),
      succeeded: mean('succeeded'),
      failed: mean('failed'),
      retried: mean('retried'),
      runtimeP50: largest('runtimeP50'),
      runtimeP95: largest('runtimeP95'),
      waitP50: largest('waitP50'),
      waitP95: largest('waitP95'),
    });
  }
  return thin;
}
