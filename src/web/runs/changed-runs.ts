/** Tasks that something happened to, as they are now: short rows, read together. */
import type { Run } from '../api.js';
import type { ChangedTask } from '../watch/event-streams.js';
import { runContext, type WebContext } from '../web-context.js';
import { foundRun } from './run-list.js';

export async function readChanged(context: WebContext, changed: readonly ChangedTask[]): Promise<Run[]> {
  const { engine, index, tasks } = context.parts;
  const refs = (await Promise.all(changed.map(({ id }) => index.locate(id)))).filter(
    (ref) => ref !== undefined,
  );
  const show = await runContext(context);
  const rows = await engine.queues.rows(refs);
  const there = await tasks.ofJobs(rows.filter((row) => row !== undefined));
  // In a lane, or gone: only the whole reader finds out.
  const elsewhere = refs.filter((_, i) => rows[i] === undefined);
  const others = elsewhere.length === 0 ? [] : await tasks.read(elsewhere);
  return [...there, ...others.filter((task) => task !== undefined)].map((task) => foundRun(task, show).run);
}
