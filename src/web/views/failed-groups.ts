/** `GET failed`: failed tasks grouped by task and error, the latest first. */
import type { FailedGroup, FailedList, Run } from '../api.js';
import { filterOfQuery } from '../runs/run-filter.js';
import { findRuns } from '../runs/run-list.js';
import type { ApiCall } from '../web-context.js';

/** Failed tasks that are looked at. */
const MOST_LOOKED = 2_000;
const MOST_IDS = 100;

/** The handler. */
export async function listFailed({ context, query }: ApiCall): Promise<FailedList> {
  const { found, looked, complete } = await findRuns(context, {
    filter: { ...filterOfQuery(query), states: new Set(['FAILURE']) },
    newest: true,
    limit: MOST_LOOKED,
    cursor: undefined,
  });
  return { groups: groupsOf(found.map(({ run }) => run)), looked, complete };
}

/** Pure. @param runs the latest first */
export function groupsOf(runs: readonly Run[]): FailedGroup[] {
  const groups = new Map<string, FailedGroup & { ids: string[]; count: number; first: string }>();
  for (const run of runs) {
    const { id, name: task, error, doneAt } = run;
    const at = doneAt ?? run.sentAt ?? '';
    const key = JSON.stringify([task, error?.name, kindOf(error?.message ?? '')]);
    const group = groups.get(key) ?? {
      error: error?.name ?? 'Error',
      message: error?.message ?? '',
      task,
      count: 0,
      first: at,
      last: at,
      ids: [],
    };
    group.count++;
    group.first = at;
    if (group.ids.length < MOST_IDS) group.ids.push(id);
    groups.set(key, group);
  }
  return [...groups.values()].sort((a, b) => b.count - a.count || (a.last < b.last ? 1 : -1));
}

/** A message without what differs from one task to the next: numbers, ids, quoted texts. */
function kindOf(message: string): string {
  return message
    .replace(/"[^"]*"|'[^']*'|`[^`]*`/g, '"…"')
    .replace(/\b[0-9a-f]{8,}(-[0-9a-f]+)*\b/gi, '#')
    .replace(/\d+/g, '#');
}
