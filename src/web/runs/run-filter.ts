/** Which tasks a list shows: read from a query or a body, matched against tasks. Pure. */

import type { JobSet } from '../../broker/job-pages.js';
import { toEpochMs } from '../../duration.js';
import { FAILURE, PENDING, RETRY, REVOKED, STARTED, SUCCESS, WAITING } from '../../states.js';
import type { Run, RunFilter } from '../api.js';
import { Refusal } from '../http/refusal.js';

/** A filter, checked. */
export interface ReadFilter {
  readonly states: ReadonlySet<string> | undefined;
  readonly name: RegExp | undefined;
  readonly queue: string | undefined;
  readonly tag: string | undefined;
  readonly worker: string | undefined;
  readonly id: string | undefined;
  /** In lower case. */
  readonly text: string | undefined;
  /** Epoch ms. */
  readonly after: number | undefined;
  readonly before: number | undefined;
}

const NAMES: readonly (keyof RunFilter)[] = [
  'state',
  'name',
  'queue',
  'tag',
  'worker',
  'id',
  'text',
  'after',
  'before',
];

/** @throws {Refusal} for a value of a wrong type */
export function filterFrom(given: Readonly<Record<string, unknown>>): ReadFilter {
  for (const name of Object.keys(given))
    if (!NAMES.some((known) => known === name))
      throw new Refusal(400, 'BAD_FILTER', `A filter has no "${name}". It has ${NAMES.join(', ')}.`);
  const text = (name: keyof RunFilter) => {
    const value = given[name];
    if (value === undefined || value === null || value === '') return undefined;
    if (typeof value === 'string') return value;
    throw new Refusal(400, 'BAD_FILTER', `${name} must be text.`);
  };
  const name = text('name');
  return {
    states: statesIn(given.state),
    name: name === undefined ? undefined : globOf(name),
    queue: text('queue'),
    tag: text('tag'),
    worker: text('worker'),
    id: text('id'),
    text: text('text')?.toLowerCase(),
    after: momentIn(text('after'), 'after'),
    before: momentIn(text('before'), 'before'),
  };
}

/** The filter of a query: `state` may be repeated. */
export function filterOfQuery(query: URLSearchParams): ReadFilter {
  const given = NAMES.flatMap((name) => (query.has(name) ? [[name, query.get(name)]] : []));
  return filterFrom({ ...Object.fromEntries(given), state: query.getAll('state') });
}

/** Whether a task is one of those asked for. */
export function matches(run: Run, filter: ReadFilter, argsText: () => string): boolean {
  const { states, name, queue, tag, worker, id, text, after, before } = filter;
  const sent = run.sentAt === null ? 0 : Date.parse(run.sentAt);
  return (
    (states === undefined || states.has(run.state)) &&
    (name === undefined || name.test(run.name)) &&
    (queue === undefined || run.queue === queue) &&
    (tag === undefined || run.tags.includes(tag)) &&
    (worker === undefined || run.worker === worker) &&
    (id === undefined || run.id.startsWith(id)) &&
    (after === undefined || sent >= after) &&
    (before === undefined || sent < before) &&
    (text === undefined || argsText().toLowerCase().includes(text))
  );
}

/** Where tasks of these states may be. A task that waits may read REVOKED too; one of an own state runs. */
export function setsOf(states: ReadonlySet<string> | undefined): readonly JobSet[] | undefined {
  if (states === undefined) return undefined;
  return [...new Set([...states].flatMap((state) => SETS.get(state) ?? (['active'] as const)))];
}

const LIVING: readonly JobSet[] = ['waiting', 'prioritized', 'delayed', 'waiting-children'];
const SETS: ReadonlyMap<string, readonly JobSet[]> = new Map<string, readonly JobSet[]>([
  [PENDING, LIVING],
  [RETRY, LIVING],
  [WAITING, [...LIVING, 'active']],
  [STARTED, ['active']],
  [SUCCESS, ['completed']],
  [FAILURE, ['failed']],
  [REVOKED, ['failed', 'active', ...LIVING]],
]);

function statesIn(given: unknown): ReadonlySet<string> | undefined {
  const list = Array.isArray(given) ? given : given === undefined || given === null ? [] : [given];
  const states = list.flatMap((state) => {
    if (typeof state !== 'string')
      throw new Refusal(400, 'BAD_FILTER', 'state must be text, or a list of it.');
    return state.split(',').map((one) => one.trim().toUpperCase());
  });
  const named = states.filter((state) => state !== '');
  return named.length === 0 ? undefined : new Set(named);
}

function momentIn(text: string | undefined, name: string): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{4}-/.test(text) && !Number.isNaN(Date.parse(text))) return toEpochMs(text, name);
  throw new Refusal(400, 'BAD_FILTER', `${name} must be a moment as in 2030-01-31T08:00:00Z.`);
}

/** `*` stands for any text. */
function globOf(pattern: string): RegExp {
  const parts = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('[^]*?')}$`);
}
