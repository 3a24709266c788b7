/** `GET runs/{id}`: everything about one task, and `GET runs/{id}/chunks`: what it has yielded. */
import { keepAliveDuring } from '../../broker/keep-alive.js';
import type { TaskRecord } from '../../coordination/task-record.js';
import { UnknownTaskError } from '../../errors.js';
import { isSecretName, MASK } from '../../options/readable.js';
import { AsyncResult } from '../../results/async-result.js';
import { FAILURE, SUCCESS } from '../../states.js';
import { shownInstead } from '../../tasks/shown-arguments.js';
import type { ChunkList, Run, RunDetail, RunLink, RunStep } from '../api.js';
import { Refusal } from '../http/refusal.js';
import { type ApiCall, param, runContext, type WebContext } from '../web-context.js';
import { readAttempts, stackText } from './run-attempts.js';
import { countIn, type FoundRun, foundRun } from './run-list.js';
import { timelineOf } from './run-timeline.js';
import { type RunContext, sealedText, sealOf } from './run-view.js';

/** Callers of callers that are named. */
const MOST_ANCESTORS = 20;
/** Tasks that begin after it that are named. */
const MOST_CHILDREN = 100;
/** Chunks a page. */
const CHUNKS = 100;

/** Finds a task. @throws {UnknownTaskError} */
export async function findRun(context: WebContext, id: string, show: RunContext): Promise<FoundRun> {
  const { index, tasks } = context.parts;
  const ref = await index.locate(id);
  const [task] = ref === undefined ? [] : await tasks.read([ref]);
  if (task === undefined) throw new UnknownTaskError(id);
  const found = foundRun(task, show);
  // What was replaced keeps its id.
  return found.run.id === id ? found : { ...found, run: { ...found.run, id } };
}

/** The handler of a task. */
export async function showRun(call: ApiCall): Promise<RunDetail> {
  const { context } = call;
  const id = param(call, 'id');
  return keepAliveDuring(context.parts.engine, async () => {
    const show = await runContext(context);
    const { run, task, message } = await findRun(context, id, show);
    const [steps, stream, attempts, children, ancestors] = await Promise.all([
      stepsOf(context, task),
      streamOf(context, task),
      readAttempts(context.parts.engine, task, run),
      childrenOf(context, id, show),
      ancestorsOf(context, run, show),
    ]);
    const { v: _, args, headers = {}, input, revoked, ...options } = message;
    const seal = sealOf(show, task.name, message);
    return {
      ...run,
      argsFull: opened(seal, () => shownInstead(message, show.taskOf?.(task.name)) ?? show.decodeArgs(args)),
      headers: seal === undefined ? masked(headers) : {},
      options: { ...options, ...(revoked !== undefined && { revoked }) },
      value: run.state === SUCCESS ? resultOf(task, show, seal) : null,
      stack: run.state === FAILURE || run.error !== null ? stackText(task) : null,
      attempts,
      steps,
      stream,
      children,
      ancestors,
      timeline: timelineOf(run, attempts, steps),
    };
  });
}

/** The handler of its chunks. */
export async function showChunks(call: ApiCall): Promise<ChunkList> {
  const { context, query } = call;
  const { engine } = context.parts;
  const from = countIn(query, 'from', 0, 0, 2 ** 50);
  return keepAliveDuring(engine, async () => {
    const show = await runContext(context);
    const { task, message } = await findRun(context, param(call, 'id'), show);
    const seal = sealOf(show, task.name, message);
    const page = await engine.streams.read(task.id, from, CHUNKS);
    if (page === undefined)
      throw new Refusal(404, 'NO_STREAM', 'This task has yielded nothing that is kept.');
    return {
      chunks: page.chunks.map(({ index, at, text }) => ({
        index,
        at: new Date(at).toISOString(),
        value: opened(seal, () => show.decodeResult(JSON.parse(text))),
      })),
      next: (page.chunks.at(-1)?.index ?? page.next - 1) + 1,
      attempt: page.attempt,
    };
  });
}

/** Headers carry logins as well. */
function masked(headers: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, isSecretName(name) ? MASK : value]),
  );
}

/** What may be shown; a note where it cannot be. */
function opened(seal: string | undefined, read: () => unknown): unknown {
  if (seal !== undefined) return sealedText(seal);
  try {
    return read() ?? null;
  } catch {
    return '[cannot be read]'; // written by another program, or with another key
  }
}

function resultOf(task: TaskRecord, show: RunContext, seal: string | undefined): unknown {
  return opened(seal, () => show.decodeResult(JSON.parse(task.returnvalue ?? 'null')));
}

async function stepsOf({ parts }: WebContext, task: TaskRecord): Promise<RunStep[]> {
  if (task.hasSteps !== true) return [];
  const views = await parts.results.steps.view(task);
  return views.map(({ name, kind, startedAt, doneAt }) => ({
    name,
    kind,
    startedAt: startedAt.toISOString(),
    doneAt: doneAt?.toISOString() ?? null,
  }));
}

async function streamOf({ parts }: WebContext, task: TaskRecord): Promise<RunDetail['stream']> {
  const page = await parts.engine.streams.read(task.id, 0, 1);
  return page === undefined || page.next === 0
    ? null
    : { attempt: page.attempt, first: page.first, next: page.next };
}

/** What begins after it in its workflow. */
async function childrenOf({ parts }: WebContext, id: string, show: RunContext): Promise<RunLink[]> {
  const after = await new AsyncResult(parts.results, id).children;
  const results = after.flatMap((each) => (each instanceof AsyncResult ? [each] : [...each.results]));
  const refs = await Promise.all(results.slice(0, MOST_CHILDREN).map((each) => parts.index.locate(each.id)));
  const tasks = await parts.tasks.read(refs.filter((ref) => ref !== undefined));
  return tasks.flatMap((task) => (task === undefined ? [] : [linkTo(foundRun(task, show).run)]));
}

async function ancestorsOf({ parts }: WebContext, run: Run, show: RunContext): Promise<RunLink[]> {
  const found: RunLink[] = [];
  const seen = new Set([run.id]);
  for (let id = run.parentId; id !== null && !seen.has(id) && found.length < MOST_ANCESTORS; ) {
    seen.add(id);
    const ref = await parts.index.locate(id);
    const [task] = ref === undefined ? [] : await parts.tasks.read([ref]);
    if (task === undefined) break;
    const { run: above } = foundRun(task, show);
    found.push({ ...linkTo(above), id });
    id = above.parentId;
  }
  return found;
}

function linkTo({ id, name, state }: Run): RunLink {
  return { id, name, state };
}
