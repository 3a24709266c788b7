/**
 * Task ids. A generated id contains its queue, so any process finds the job from the id alone. A caller's own id is
 * encoded into a form that BullMQ accepts (no ':', no all-digit ids) and looked up in an index. Pure.
 */
import { createHash, randomBytes } from 'node:crypto';

/** The ids that a process generates, in sequence. */
export interface OwnIds {
  /** The prefix of all of them. */
  readonly stem: string;
  /** How many were generated so far. */
  readonly made: number;
}

// <stem of this process>-<counter>@<queue>. The stem is 10 random characters and 2 check characters, so that a caller's
// own `notification-5@user` does not pass for a generated id.
const GENERATED = /^[0-9a-z]{12}-[0-9a-z]+(?:\.[0-9a-z.]+)?@(.+)$/s;
// <flow>.<path>[@<queue>]: a part of a workflow. Groups and other parts without a job have no queue.
const PART = /^([0-9a-z]{12}-[0-9a-z]+)\.([0-9a-z.]+)(?:@(.+))?$/s;

/** Generates ids. One per app, so that all its ids share the stem. */
export class IdSource implements OwnIds {
  readonly stem = randomStem();
  #made = 0;

  get made(): number {
    return this.#made;
  }

  /** A new id for a task of `queue`. */
  next(queue: string): string {
    return `${this.stem}-${(this.#made++).toString(36)}@${queue}`;
  }

  /** A new id for a workflow. */
  nextFlow(): string {
    return `${this.stem}-${(this.#made++).toString(36)}`;
  }
}

/** The position of a part in its workflow. */
export interface PartAddress {
  readonly flow: string;
  /** `0` is the whole workflow; `0.2` is its third step or member. */
  readonly path: string;
  /** `undefined` for a part without a job of its own. */
  readonly queue: string | undefined;
}

/** The id of a part of a workflow. */
export function partId(flow: string, path: string, queue?: string): string {
  return queue === undefined ? `${flow}.${path}` : `${flow}.${path}@${queue}`;
}

/** The topic of a workflow, or of a part without a job. Listeners are notified when it has ended or failed. */
export function flowTopic(flow: string, path?: string): string {
  // The '@' routes the topic over the same few channels as the ids of its tasks.
  return `${path === undefined ? flow : partId(flow, path)}@`;
}

/** The address in a part's id; `undefined` for any other id. */
export function partOf(id: string): PartAddress | undefined {
  // Most ids are not parts; this check spares them the regular expression.
  if (id.charCodeAt(12) !== 45) return undefined;
  const match = PART.exec(id);
  if (match === null) return undefined;
  const [, flow = '', path = '', queue] = match;
  return { flow, path, queue };
}

/** The queue in a generated id; `undefined` for a caller's own id. */
export function queueOfGenerated(taskId: string): string | undefined {
  return taskId.slice(RANDOM_CHARS, STEM_CHARS) === checkOf(taskId) ? queueByShape(taskId) : undefined;
}

/** The queue in an id that looks generated. Does not verify the stem: other programs may make ids of this shape. */
export function queueByShape(id: string): string | undefined {
  return GENERATED.exec(id)?.[1];
}

/** Whether a job id has the shape of a generated one, which contains its queue. */
export function isGenerated(jobId: string): boolean {
  return GENERATED.test(jobId);
}

// No percent-encoding begins like these, so encoded text never collides with them.
const ILL_FORMED = '%u';
const DIGEST = '%h';

/** Longer encoded ids are replaced by a digest: PostgreSQL's indexes take no row of more than 2,700 bytes. */
const LONGEST = 500;

/**
 * Ids that BullMQ would misread: numbers as its counter or an error code, words as the keys of a queue (`meta`,
 * `wait`), which share a namespace with its jobs.
 */
const MISTAKABLE = /^(?:\d+$|-|[a-z-]+$)/;

/**
 * The BullMQ job id for a caller's own task id. The result is never an id that BullMQ or celeriac would misread. Where the
 * job id is a digest, the message carries the task id itself.
 */
export function encodeCustomId(taskId: string): string {
  // encodeURIComponent throws on lone surrogates.
  const encoded = taskId.isWellFormed()
    ? encodeURIComponent(taskId)
    : ILL_FORMED + Buffer.from(taskId, 'utf16le').toString('hex');
  if (encoded.length > LONGEST) return DIGEST + createHash('sha256').update(encoded).digest('hex');
  if (/^\d+$/.test(taskId)) return [...taskId].map(percent).join('');
  if (MISTAKABLE.test(taskId)) return percent(taskId) + encoded.slice(1);
  // Looks like a part of a workflow. An id that looks generated needs nothing here: its '@' was encoded above.
  return PART.test(encoded) ? encoded.replace('-', percent) : encoded;
}

/** Percent-encodes the first character, which is one byte, even where `encodeURIComponent` would leave it. */
function percent(text: string): string {
  return `%${text.charCodeAt(0).toString(16).toUpperCase()}`;
}

/** The task id of a BullMQ job id: the reverse of {@link encodeCustomId}, except for digests. */
export function taskIdOfJob(jobId: string): string {
  if (jobId.includes('@') || !jobId.includes('%')) return jobId;
  if (jobId.startsWith(ILL_FORMED))
    return Buffer.from(jobId.slice(ILL_FORMED.length), 'hex').toString('utf16le');
  try {
    return decodeURIComponent(jobId);
  } catch {
    return jobId; // another program added the job: its job id is the only id
  }
}

const RANDOM_CHARS = 10;
const STEM_CHARS = 12;

/** A stem derived from a text, so that every process derives the same ids. */
export function stemFrom(text: string): string {
  const random = digestOf(text).slice(0, RANDOM_CHARS);
  return random + checkOf(random);
}

/** A workflow id derived from a text. */
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

/** The check characters for the first 10 characters of `text`. */
function checkOf(text: string): string {
  let sum = 0;
  for (let i = 0; i < RANDOM_CHARS; i++) sum = (sum * 31 + text.charCodeAt(i)) % 36 ** 2;
  return sum.toString(36).padStart(STEM_CHARS - RANDOM_CHARS, '0');
}
