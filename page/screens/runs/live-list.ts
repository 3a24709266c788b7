/**
 * A page of runs that stays where it is: runs on it change in place as they are heard of, others are only counted, so that
 * nothing moves under the reader's pointer.
 */
import { useEffect, useState } from 'preact/hooks';
import type { Run, RunList } from '../../../src/web/api.js';
import { get } from '../../core/api.js';
import { onLive } from '../../core/connection.js';
import { type Loaded, useData } from '../../core/use-data.js';

export interface LiveRuns extends Loaded<RunList> {
  /** Runs heard of that are not on this page. */
  readonly others: number;
}

const MOST_OTHERS = 10_000;

export function useLiveRuns(url: string): LiveRuns {
  const loaded = useData<RunList>(url, { load: loadPage });
  const [others, setOthers] = useState(0);
  const { data, patch } = loaded;

  // Each answer begins to count anew.
  useEffect(() => setOthers(0), [url, data?.next, data?.looked]);
  useEffect(() => {
    if (data === undefined) return undefined;
    const shown = new Set(data.runs.map(({ id }) => id));
    const unknown = new Set<string>();
    const changed = new Map<string, Run>();
    let frame = 0;
    const show = () => {
      frame = 0;
      if (changed.size > 0) {
        const all = new Map(changed);
        changed.clear();
        patch((list) => ({ ...list, runs: list.runs.map((run) => merge(run, all.get(run.id))) }));
      }
      setOthers((n) => Math.max(n, unknown.size));
    };
    const off = onLive('run', (event) => {
      const run = event as Run;
      if (shown.has(run.id)) changed.set(run.id, run);
      else if (unknown.size < MOST_OTHERS) unknown.add(run.id);
      if (frame === 0) frame = requestAnimationFrame(show);
    });
    return () => {
      off();
      cancelAnimationFrame(frame);
    };
  }, [data === undefined, url, data?.runs.length, data?.looked, patch]);
  return { ...loaded, others };
}

/** How often it looks further for one page. */
const MOST_FURTHER = 5;

/** An answer is bounded in what it looks at, and may be short: looks further until the page is full, a few times. */
async function loadPage(url: string, signal: AbortSignal): Promise<RunList> {
  let list = await get<RunList>(url, signal);
  const limit = Number(new URL(url).searchParams.get('limit'));
  for (let turn = 0; turn < MOST_FURTHER && list.next !== null && list.runs.length < limit; turn++) {
    const further = new URL(url);
    further.searchParams.set('cursor', list.next);
    further.searchParams.set('limit', String(limit - list.runs.length));
    const more = await get<RunList>(further.href, signal);
    list = { ...more, runs: [...list.runs, ...more.runs], looked: list.looked + more.looked };
  }
  return list;
}

/** What an event says beats what was read; what it does not know stays. */
export function merge<R extends Run>(run: R, news: Partial<Run> | undefined): R {
  if (news === undefined) return run;
  const known = Object.entries(news).filter(
    ([, value]) =>
      value !== null && value !== undefined && value !== '' && !(Array.isArray(value) && value.length === 0),
  );
  return { ...run, ...Object.fromEntries(known) };
}
