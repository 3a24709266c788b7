/**
 * The trail of a task (Celery: `trail`): the tasks and workflows that it has called, kept beside its record and for as long.
 * A task that calls nothing has none, and costs nothing.
 */
import type { Engine } from '../broker/broker.js';

/** A called task, or group, by its id. */
export interface TrailEntry {
  readonly id: string;
  readonly group?: true;
}

/** Longest trail that is kept: a task may call millions. */
export const MOST_ENTRIES = 10_000;
/** How often to try while somebody else writes: two deliveries of one task. */
const TRIES = 5;

/** Adds to the trail of a task. */
export async function noteTrail(
  { records }: Pick<Engine, 'records'>,
  taskId: string,
  called: readonly TrailEntry[],
  keptMs: number,
): Promise<void> {
  const key = trailKey(taskId);
  const own = called.slice(0, MOST_ENTRIES);
  for (let tries = 0; tries < TRIES; tries++) {
    if (await records.create(key, JSON.stringify(own), keptMs)) return;
    const [before] = await records.read([key]);
    if (before === undefined) continue;
    const both = new Map([...entriesIn(before.value), ...own].map((entry) => [entry.id, entry]));
    const value = JSON.stringify([...both.values()].slice(0, MOST_ENTRIES));
    if (await records.replace(key, before.version, value, keptMs)) return;
  }
}

/** What a task has called, in order. */
export async function readTrail({ records }: Pick<Engine, 'records'>, taskId: string): Promise<TrailEntry[]> {
  const [record] = await records.read([trailKey(taskId)]);
  return record === undefined ? [] : entriesIn(record.value);
}

/** Any client of the broker may have written it. */
function entriesIn(value: string): TrailEntry[] {
  const entries: unknown = JSON.parse(value);
  return Array.isArray(entries) ? entries.filter(isEntry) : [];
}

function isEntry(value: unknown): value is TrailEntry {
  return typeof value === 'object' && value !== null && 'id' in value && typeof value.id === 'string';
}

function trailKey(taskId: string): string {
  return `called:${taskId}`;
}
