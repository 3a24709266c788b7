/**
 * Where a list goes on: the place among ended tasks, which is one for all queues since they are merged in order, and the
 * marks of the other sets. Opaque to callers, and checked: anybody may send anything.
 */
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { JOB_SETS, type JobSet } from '../../broker/job-pages.js';
import { Refusal } from '../http/refusal.js';

/** A place among ended tasks. */
export interface EndedPlace {
  /** Epoch ms. */
  readonly at: number;
  readonly queue: string;
  readonly set: JobSet;
  readonly id: string;
}

export interface RunCursor {
  readonly newest: boolean;
  readonly ended: EndedPlace | undefined;
  /** The marks of sets of tasks that have not ended, by queue and set. */
  readonly living: ReadonlyMap<string, string>;
}

/** A cursor of more text is none of ours. */
const LONGEST = 64_000;

export function writeCursor({ newest, ended, living }: RunCursor): string {
  const place = ended && [ended.at, ended.queue, JOB_SETS.indexOf(ended.set), ended.id];
  return deflateRawSync(JSON.stringify([1, newest, place ?? null, [...living]])).toString('base64url');
}

/** @throws {Refusal} for text that is no cursor, or one of the other order */
export function readCursor(text: string, newest: boolean): RunCursor {
  try {
    const json = inflateRawSync(Buffer.from(text, 'base64url'), { maxOutputLength: LONGEST }).toString(
      'utf8',
    );
    const [version, way, place, living] = JSON.parse(json) as unknown[];
    if (version === 1 && way === newest && Array.isArray(living))
      return { newest, ended: placeIn(place), living: new Map(living.map(markIn)) };
  } catch {
    // No cursor of ours.
  }
  throw new Refusal(400, 'BAD_CURSOR', 'The cursor is not one that this list gave. Begin without one.');
}

function placeIn(value: unknown): EndedPlace | undefined {
  if (value === null) return undefined;
  const [at, queue, index, id] = value as unknown[];
  const set = JOB_SETS[Number(index)];
  if (typeof at !== 'number' || typeof queue !== 'string' || typeof id !== 'string' || set === undefined)
    throw new Refusal(400, 'BAD_CURSOR', 'no place');
  return { at: Math.trunc(at), queue, set, id };
}

function markIn(value: unknown): [string, string] {
  const [key, mark] = value as unknown[];
  if (typeof key === 'string' && typeof mark === 'string' && /^-?\d{1,19}(:-?\d{1,19})?$/.test(mark))
    return [key, mark];
  throw new Refusal(400, 'BAD_CURSOR', 'no mark');
}
