/**
 * The port for looking after queues: which there are, how much is in them, and taking out what waits. What BullMQ's own
 * backend can do (pausing, ending, retrying) stays there. Every step is bounded, so that none holds up the broker.
 */

/** How many jobs of a queue are in which state, as the broker files them. */
export interface QueueSizes {
  readonly waiting: number;
  readonly active: number;
  readonly delayed: number;
  /** Wait for other jobs of theirs to end. */
  readonly waitingChildren: number;
  /** Ended with an error, revoked ones included. */
  readonly failed: number;
  readonly finished: number;
  /** Nothing is fetched from it. */
  readonly paused: boolean;
}

/** A queue that somebody wrote to or took from. */
export interface KnownQueue {
  readonly name: string;
  /** When it was last said to be in use, epoch ms. */
  readonly notedAt: number;
}

/** A job that was taken out of where it waited: it is ours for as long as the lock lasts. */
export interface TakenJob {
  readonly id: string;
  readonly name: string;
  /** The message, as JSON text. */
  readonly data: string;
  /** BullMQ's options, parsed. */
  readonly opts: Readonly<Record<string, unknown>>;
  /** Epoch ms. */
  readonly sentAt: number;
  readonly hasParent: boolean;
}

/** What is taken in one step. */
export interface TakeStep {
  /** At most so many. */
  readonly limit: number;
  /** How many at the end of each list are to be passed over: they stay. */
  readonly passed: Passed;
  readonly token: string;
  readonly lockMs: number;
}

/** Jobs that are not for taking: a scheduler of BullMQ's lives in them. */
export interface Passed {
  readonly waiting: number;
  readonly prioritized: number;
  readonly delayed: number;
}

export interface Taken {
  readonly jobs: readonly TakenJob[];
  /** {@link TakeStep.passed} of the next step. */
  readonly passed: Passed;
  /** Whether anything was looked at: nothing is left otherwise. */
  readonly looked: boolean;
}

/** A place in the failed jobs of some queues, newest first. */
export interface FailedPlace {
  /** Epoch ms. */
  readonly at: number;
  readonly queue: string;
  readonly id: string;
}

/** Moments, epoch ms, by how jobs ended. */
export interface EndedBefore {
  readonly completed: number;
  readonly failed: number;
}

/** A step through the jobs of a queue that ended long ago, oldest first. */
export interface EndedStep {
  readonly state: 'completed' | 'failed';
  /** Epoch ms. */
  readonly before: number;
  /** Jobs of other programs that were passed so far. */
  readonly passed: number;
  readonly limit: number;
}

/** What a step found. */
export interface Ended {
  /** Jobs that carry a message of ours. */
  readonly own: readonly string[];
  /** How many do not: another program's, which keeps or removes them as it likes. */
  readonly foreign: number;
}

export interface QueueAdmin {
  /** Writes down that queues are in use. Idempotent. */
  note(queues: readonly string[]): Promise<void>;
  /** All that were noted, in no order. */
  known(): Promise<KnownQueue[]>;
  /** Takes queues off the list, which are noted again when used. */
  forget(queues: readonly string[]): Promise<void>;
  /** In order, in one round trip. */
  sizes(queues: readonly string[]): Promise<QueueSizes[]>;
  /** Whether each has jobs that ended before these moments (epoch ms), in order, in one round trip. */
  due(queues: readonly string[], before: EndedBefore): Promise<boolean[]>;
  /** Looks at jobs that ended before a moment, in the order in which BullMQ cleans them. */
  ended(queue: string, step: EndedStep): Promise<Ended>;
  /** Takes what waits (delayed ones too) out of a queue, paused or not: locked by us, as if it ran. */
  take(queue: string, step: TakeStep): Promise<Taken>;
  /** The failed jobs of these queues that ended before a place, newest first. */
  failed(queues: readonly string[], before: FailedPlace | undefined, limit: number): Promise<FailedPlace[]>;
  /** Makes an ended job look as if no attempt had been made; BullMQ's retry does the rest. */
  reset(queue: string, id: string): Promise<void>;
}

/** BullMQ's schedulers name their jobs so, and end with them. */
export const SCHEDULER_MARK = 'repeat:';

export const NOTHING_PASSED: Passed = { waiting: 0, prioritized: 0, delayed: 0 };

/** Newest first, and a fixed order among equals. */
export function comparePlaces(a: FailedPlace, b: FailedPlace): number {
  return b.at - a.at || compareBytes(b.queue, a.queue) || compareBytes(b.id, a.id);
}

function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
