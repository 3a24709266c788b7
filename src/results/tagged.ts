/** Finds the tasks with a tag that have not ended, by looking through the queues in bounded steps. */
import type { Engine } from '../broker/broker.js';
import type { JobSet } from '../broker/job-pages.js';
import { isGenerated, taskIdOfJob } from '../protocol/ids.js';
import { readMessage } from '../protocol/message.js';

/** In the order in which jobs pass through them, so that one that moves on meanwhile is mostly met again. */
const LIVING: readonly JobSet[] = ['waiting-children', 'delayed', 'prioritized', 'waiting', 'active'];
/** Jobs per step. */
const PAGE = 500;
/** A job may move past a look: look again until nothing new is found, but not for ever. */
const MOST_LOOKS = 5;

/**
 * The ids of these tasks, a page at a time, each once. Parts of workflows that have not been sent yet are not found by
 * themselves.
 */
export async function* taggedTasks(engine: Pick<Engine, 'queues'>, tag: string): AsyncGenerator<string[]> {
  const seen = new Set<string>();
  for (let look = 0, found = 1; found > 0 && look < MOST_LOOKS; look++) {
    found = 0;
    for await (const ids of oneLook(engine, tag)) {
      const fresh = ids.filter((id) => !seen.has(id));
      for (const id of fresh) seen.add(id);
      found += fresh.length;
      if (fresh.length > 0) yield fresh;
    }
  }
}

async function* oneLook({ queues }: Pick<Engine, 'queues'>, tag: string): AsyncGenerator<string[]> {
  for (const { name: queue } of await queues.known())
    for (const set of LIVING)
      for (let after: string | undefined; ; ) {
        const [page = []] = await queues.pages([{ queue, set, newest: false, after, limit: PAGE }]);
        const rows = page.length === 0 ? [] : await queues.rows(page.map(({ id }) => ({ queue, id })));
        yield rows.flatMap((row) => {
          if (row === undefined) return [];
          const { tags, id } = readMessage(row.data);
          if (tags?.includes(tag) !== true) return [];
          return [isGenerated(row.id) ? row.id : (id ?? taskIdOfJob(row.id))];
        });
        after = page.at(-1)?.mark;
        if (page.length < PAGE || after === undefined) break;
      }
}
