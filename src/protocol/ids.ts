/**
 * Task ids. A generated id carries its queue, so that any process finds the job with nothing but the id; a caller's
 * own id is encoded into something BullMQ accepts (no ':', no all-digit ids) and looked up in an index.
 */
import { createHash, randomBytes } from 'node:crypto';

/** The ids a process makes, one after another. */
export interface OwnIds {
  /** What they all begin with. */
  readonly stem: string;
  /** How many there are so far. */
  readonly made: number;
}

// <stem of this process>-<counter>@<queue>; the stem is 10 random characters and 2 that follow from them, so that a
// caller's own `notification-5@user` is not taken for one
const GENERATED = /^[0-9a-z]{12}-[0-9a-z]+(?:\.[0-9a-z.]+)?@(.+)$/s;
// <flow>.<path>[@<queue>]: a part of a workflow; a group and other parts without a job of their own have no queue
const PART = /^([0-9a-z]{12}-[0-9a-z]+)\.([0-9a-z.]+)(?:@(.+))?$/s;

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

  /** A new id for a workflow. */
  nextFlow(): string {
    return `${this.stem}-${(this.#made++).toString(36)}`;
  }
}

/** Where in which workflow a task stands. */
export interface PartAddress {
  readonly flow: string;
  /** `0` is the whole; `0.2` its third step or member. */
  readonly path: string;
  /** Absent for what has no job of its own. */
  readonly queue: string | undefined;
}

/** The id of a part of a workflow. */
export function partId(flow: string, path: string, queue?: string): string {
  return queue === undefined ? `${flow}.${path}` : `${flow}.${path}@${queue}`;
}

/** The topic of a workflow, or of a part of it that has no job: told when it has ended, or failed. */
export function flowTopic(flow: string, path?: string): string {
  // With an '@' it goes by the same few channels as the ids of its tasks.
  return `${path === undefined ? flow : partId(flow, path)}@`;
}

/** What the id of a part says; undefined for any other id. */
export function partOf(id: string): PartAddress | undefined {
  // Most ids are no parts: they are told apart without the expression.
  if (id.charCodeAt(12) !== 45) return undefined;
  const match = PART.exec(id);
  if (match === null) return undefined;
  const [, flow = '', path = '', queue] = match;
  return { flow, path, queue };
}

/** The queue a generated id carries; undefined for a caller's own id. */
export function queueOfGenerated(taskId: string): string | undefined {
  return taskId.slice(RANDOM_CHARS, STEM_CHARS) === checkOf(taskId) ? queueByShape(taskId) : undefined;
}

/** The queue that an id names if it is a job's: other programs may have made theirs in the shape of ours. */
export function queueByShape(id: string): string | undefined {
  return GENERATED.exec(id)?.[1];
}

/** Whether a job id is one of ours, which says where its job lies. */
export function isGenerated(jobId: string): boolean {
  return GENERATED.test(jobId);
}

// No percent-encoding begins so: text never meets them.
const ILL_FORMED = '%u';
const DIGEST = '%h';

/** Longer than this a job goes by a digest: PostgreSQL's indexes take no row of more than 2,700 bytes. */
const LONGEST = 500;

/**
 * What BullMQ would take for something else: numbers for its counter or an error code, words for the keys of a queue
 * (`meta`, `wait`), which lie beside its jobs.
 */
const MISTAKABLE = /^(?:\d+$|-|[a-z-]+$)/;

/**
 * The BullMQ job id of a caller's own task id: nothing that BullMQ or we take for anything else. The id itself goes with
 * the message, which is where a digest is read from.
 */
export function encodeCustomId(taskId: string): string {
  // encodeURIComponent throws on lone surrogates.
  const encoded = taskId.isWellFormed()
    ? encodeURIComponent(taskId)
    : ILL_FORMED + Buffer.from(taskId, 'utf16le').toString('hex');
  if (encoded.length > LONGEST) return DIGEST + createHash('sha256').update(encoded).digest('hex');
  if (/^\d+$/.test(taskId)) return [...taskId].map(percent).join('');
  if (MISTAKABLE.test(taskId)) return percent(taskId) + encoded.slice(1);
  // A part of a workflow, by its looks; what looks generated has an '@', which is encoded.
  return PART.test(encoded) ? encoded.replace('-', percent) : encoded;
}

/** The first character, which is one byte, as `encodeURIComponent` would write it if it had to. */
function percent(text: string): string {
  return `%${text.charCodeAt(0).toString(16).toUpperCase()}`;
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

const RANDOM_CHARS = 10;
const STEM_CHARS = 12;

/** The stem of ids that follow from a text, so that whoever works them out comes to the same. */
export function stemFrom(text: string): string {
  const random = digestOf(text).slice(0, RANDOM_CHARS);
  return random + checkOf(random);
}

/** The id of a workflow that follows from a text. */
export function flowFrom(text: string): string {
  return `${stemFrom(text)}-${digestOf(text).slice(RANDOM_CHARS, 18)}`;
}

function digestOf(text: string): string {
  return BigInt(`0x${createHash('sha256').update(text).digest('hex')}`)
    .toString(36)
    .padStart(50, '0');
}

function randomStem(): string {
  const random = [...randomBytes(RANDOM_CHARS)].map((byte) => (byte % 36).toString(36)).join('');
  return random + checkOf(random);
}

/** The characters that make a stem of the first ones of `text`. */
function checkOf(text: string): string {
  let sum = 0;
  for (let i = 0; i < RANDOM_CHARS; i++) sum = (sum * 31 + text.charCodeAt(i)) % 36 ** 2;
  return sum.toString(36).padStart(STEM_CHARS - RANDOM_CHARS, '0');
}
