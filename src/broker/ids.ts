/**
 * Task ids. A generated id carries its queue, so that any process finds the job with nothing but the id; a caller's
 * own id is encoded into something BullMQ accepts (no ':', no all-digit ids) and looked up in an index.
 */
import { randomBytes } from 'node:crypto';
import type { OwnIds } from './engine.js';

// <12 random characters of this process>-<counter>@<queue>
const GENERATED = /^[0-9a-z]{12}-[0-9a-z]+@(.+)$/s;

/** Makes ids; one per app, so that its ids share the random part. */
export class IdSource implements OwnIds {
  readonly stem = randomStem();
  #made = 0;

  get made(): number {
    return this.#made;
  }

  /** A new id for a task that will wait in `queue`. */
  next(queue: string): string {
    return `${this.stem}-${(this.#made++).toString(36)}@${queue}`;
  }
}

/** The queue a generated id carries; undefined for a caller's own id. */
export function queueOfGenerated(taskId: string): string | undefined {
  return GENERATED.exec(taskId)?.[1];
}

/** Whether a job id is one of ours, which says where its job lies. */
export function isGenerated(jobId: string): boolean {
  return GENERATED.test(jobId);
}

// No percent-encoding begins so: text never meets it.
const ILL_FORMED = '%u';

/** The BullMQ job id of a caller's own task id. Never collides with a generated one, which has an '@'. */
export function encodeCustomId(taskId: string): string {
  // encodeURIComponent throws on lone surrogates, and a digit-only id would be taken for BullMQ's counter.
  if (/^\d+$/.test(taskId)) return [...taskId].map((digit) => `%3${digit}`).join('');
  return taskId.isWellFormed()
    ? encodeURIComponent(taskId)
    : ILL_FORMED + Buffer.from(taskId, 'utf16le').toString('hex');
}

/** The task id behind a BullMQ job id: the reverse of what was done when it was sent. */
export function taskIdOfJob(jobId: string): string {
  if (jobId.includes('@') || !jobId.includes('%')) return jobId;
  if (jobId.startsWith(ILL_FORMED))
    return Buffer.from(jobId.slice(ILL_FORMED.length), 'hex').toString('utf16le');
  try {
    return decodeURIComponent(jobId);
  } catch {
    return jobId; // put into the queue by another program: the job id is all there is
  }
}

function randomStem(): string {
  return [...randomBytes(12)].map((byte) => (byte % 36).toString(36)).join('');
}
