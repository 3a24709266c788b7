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
 * The ids of these tasks, each once: all that one look through the queues finds, then what the next looks find beside.
 * Whoever changes the tasks must wait for the whole of a look, since pages of a queue begin at positions, which shift when
 * jobs leave it. Parts of workflows that have not been sent yet are not found by themselves.
 */
export async function* taggedTasks(engine: Pick<Engine, 'queues'>, tag: string): AsyncGenerator<string[]> {
  const seen = new Set<string>();
  for (let look = 0; look < MOST_LOOKS; look++) {
    const fresh = (await oneLook(engine, tag)).filter((id) => !seen.has(id));
    if (fresh.length === 0) return;
    for (const id of fresh) seen.add(id);
    yield fresh;
  }
}

async function oneLook({ queues }: Pick<Engine, 'queues'>, tag: string): Promise<string[]> {
  const found: string[] = [];
  for (const { name: queue } of await queues.known())
    for (const set of LIVING)
      for (let after: string | undefined; ; ) {
        const [page = []] = await queues.pages([{ queue, set, newest: false, after, limit: PAGE }]);
        const rows = page.length === 0 ? [] : await queues.rows(page.map(({ id }) => ({ queue, id })));
        for (const row of rows) {
          if (row === undefined) continue;
          const { tags, id } = readMessage(row.data);
          if (tags?.includes(tag) === true)
            found.push(isGenerated(row.id) ? row.id : (id ?? taskIdOfJob(row.id)));
        }
        after = page.at(-1)?.mark;
        if (page.length < PAGE || after === undefined) break;
      }
  return found;
}
