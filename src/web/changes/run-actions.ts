/** The handlers that change tasks: one by its id, some by their ids, or all that a filter finds. */
import type { JobSet } from '../../broker/job-pages.js';
import { keepAliveDuring } from '../../broker/keep-alive.js';
import { FAILURE, READY } from '../../states.js';
import { Refusal } from '../http/refusal.js';
import { filterFrom, type ReadFilter } from '../runs/run-filter.js';
import { findRuns } from '../runs/run-list.js';
import { type ApiCall, param } from '../web-context.js';
import { note } from './audit.js';
import { checkFields, flagField, listField, objectField, optionalText } from './body-fields.js';
import { deleteRun, retryRun, revokeRun, runNow } from './run-changes.js';

/** What a change did. */
export interface Changed {
  readonly touched: number;
  readonly refused: readonly { readonly id: string; readonly why: string }[];
  /** `false`: time was up before all that match were found; ask again for the rest. */
  readonly complete: boolean;
}

type ManyAction = 'revoke' | 'retry' | 'delete';
type Change = (id: string) => Promise<string | undefined>;

/** Ids in one request. */
const MOST_IDS = 10_000;
/** Tasks changed at a time. */
const AT_A_TIME = 20;
/** Most time of one request, ms. */
const LONGEST_MS = 20_000;
/** Reasons that are given. */
const MOST_REFUSED = 1_000;
const PAGE = 200;

/** Where tasks may be that an action is for, when the filter names no state. */
const SETS: ReadonlyMap<ManyAction, readonly JobSet[]> = new Map<ManyAction, readonly JobSet[]>([
  ['revoke', ['active', 'waiting', 'prioritized', 'delayed', 'waiting-children']],
  ['retry', ['failed']],
  ['delete', ['completed', 'failed']],
]);

/** The handler of `POST runs/{id}/revoke`. */
export function revokeOne(call: ApiCall): Promise<Changed> {
  checkFields(call.body, ['terminate', 'reason']);
  return one(call, 'revoke', (id) => revokeRun(call.context, id, revocation(call)));
}

/** The handler of `POST runs/{id}/retry`. */
export function retryOne(call: ApiCall): Promise<Changed> {
  checkFields(call.body, ['args']);
  const args = listField(call.body, 'args');
  return one(call, 'retry', (id) => retryRun(call.context, id, args));
}

/** The handler of `POST runs/{id}/run-now`. */
export function runOneNow(call: ApiCall): Promise<Changed> {
  checkFields(call.body, []);
  return one(call, 'run-now', (id) => runNow(call.context, id));
}

/** The handler of `DELETE runs/{id}`. */
export function deleteOne(call: ApiCall): Promise<Changed> {
  return one(call, 'delete', (id) => deleteRun(call.context, id));
}

/** The handlers of `POST runs/revoke`, `runs/retry` and `runs/delete`. */
export function manyBy(action: ManyAction): (call: ApiCall) => Promise<Changed> {
  return (call) => many(call, action);
}

async function one(call: ApiCall, action: ManyAction | 'run-now', change: Change): Promise<Changed> {
  const id = param(call, 'id');
  const why = await keepAliveDuring(call.context.parts.engine, () => change(id));
  call.context.queues.forget();
  if (why === 'no such task is known' || why === 'no failed task of this id is kept')
    await mustExist(call, id, why);
  if (why !== undefined) return { touched: 0, refused: [{ id, why }], complete: true };
  await note(call, action, id, 1);
  return { touched: 1, refused: [], complete: true };
}

/** @throws {Refusal} for an id that nobody knows */
async function mustExist({ context }: ApiCall, id: string, why: string): Promise<void> {
  if (!(await context.app.result(id).exists())) throw new Refusal(404, 'UNKNOWN_TASK', `${id}: ${why}.`);
}

async function many(call: ApiCall, action: ManyAction): Promise<Changed> {
  const { context, body } = call;
  checkFields(body, action === 'revoke' ? ['ids', 'filter', 'terminate', 'reason'] : ['ids', 'filter']);
  const changes = new Map<ManyAction, Change>([
    ['revoke', (id) => revokeRun(context, id, revocation(call))],
    ['retry', (id) => retryRun(context, id)],
    ['delete', (id) => deleteRun(context, id)],
  ]);
  const change = changes.get(action) ?? (async () => 'no such action');
  const ids = idsIn(call);
  const tally = new Tally(change);
  await keepAliveDuring(context.parts.engine, async () => {
    if (ids !== undefined) await tally.all(ids);
    else await byFilter(call, action, tally);
  });
  context.queues.forget();
  if (tally.touched > 0)
    await note(
      call,
      action,
      ids === undefined ? JSON.stringify(body.filter) : ids.slice(0, 10).join(' '),
      tally.touched,
    );
  return { touched: tally.touched, refused: tally.refused, complete: tally.complete };
}

/** All that match, page by page, until time is up. */
async function byFilter({ context, body }: ApiCall, action: ManyAction, tally: Tally): Promise<void> {
  const filter = filterFrom(objectField(body, 'filter'));
  const giveUpAt = performance.now() + LONGEST_MS;
  let cursor: string | undefined;
  do {
    const page = await findRuns(context, {
      filter,
      // The oldest first: what comes meanwhile comes behind.
      newest: false,
      limit: PAGE,
      cursor,
      ...setsFor(action, filter),
    });
    const meant = page.found.filter(({ run: { state } }) => isMeant(action, state));
    await tally.all(meant.map(({ run }) => run.id));
    cursor = page.next ?? undefined;
    if (cursor !== undefined && performance.now() > giveUpAt) {
      tally.complete = false;
      return;
    }
  } while (cursor !== undefined);
}

function setsFor(action: ManyAction, { states }: ReadFilter): { sets?: readonly JobSet[] } {
  const sets = SETS.get(action);
  return states === undefined && sets !== undefined ? { sets } : {};
}

function isMeant(action: ManyAction, state: string): boolean {
  if (action === 'retry') return state === FAILURE;
  return action === 'delete' ? READY.has(state) : !READY.has(state);
}

/** @throws {Refusal} for a body that says neither or both */
function idsIn({ body }: ApiCall): string[] | undefined {
  const ids = listField(body, 'ids');
  if ((ids === undefined) === (body.filter === undefined))
    throw new Refusal(400, 'BAD_BODY', 'Give either ids or a filter; {} as filter means all there are.');
  if (ids === undefined) return undefined;
  if (ids.length > MOST_IDS) throw new Refusal(400, 'BAD_BODY', `Give ${MOST_IDS} ids at most, or a filter.`);
  return [
    ...new Set(
      ids.map((id) => {
        if (typeof id === 'string' && id !== '') return id;
        throw new Refusal(400, 'BAD_BODY', 'ids must be a list of texts.');
      }),
    ),
  ];
}

function revocation({ body }: ApiCall): { terminate: boolean; reason?: string } {
  const reason = optionalText(body, 'reason');
  return { terminate: flagField(body, 'terminate'), ...(reason !== undefined && { reason }) };
}

/** Counts what was changed and what was refused. */
class Tally {
  touched = 0;
  complete = true;
  readonly refused: { id: string; why: string }[] = [];

  constructor(private readonly change: Change) {}

  async all(ids: readonly string[]): Promise<void> {
    for (let at = 0; at < ids.length; at += AT_A_TIME)
      await Promise.all(ids.slice(at, at + AT_A_TIME).map((id) => this.#one(id)));
  }

  async #one(id: string): Promise<void> {
    const why = await this.change(id);
    if (why === undefined) this.touched++;
    else if (this.refused.length < MOST_REFUSED) this.refused.push({ id, why });
  }
}
