/**
 * Who wants to know of sent tasks: what sending asks of the app's events, which stand a floor above. While nobody wants
 * to know, one look at `active` is all a call pays.
 */
import { queueOfLane } from '../protocol/lanes.js';
import type { Message } from '../protocol/message.js';
import type { Envelope } from '../queue/producer.js';

export interface SendWatch {
  readonly active: boolean;
  /** To be waited for before a call leaves: a listener of this process is just beginning. */
  readonly settling: Promise<unknown> | undefined;
  /** At the first contact with the broker: finds out whether anybody listens. Never rejects. */
  meet(): Promise<void>;
  /** A task is on its way; the returned function takes whether the broker has it. */
  sending(event: SentEvent): (taken: boolean) => void;
}

/** What is report of a sent task. */
export interface SentEvent {
  readonly type: 'task-sent';
  readonly timestamp: number;
  readonly id: string;
  readonly name: string;
  readonly shadow?: string;
  readonly queue: string;
  readonly rootId: string;
  readonly parentId?: string;
  readonly eta?: number;
  readonly expires?: number;
}

/** Tells of a task once the broker has it. */
export async function reportSent(
  watch: SendWatch,
  { taskId, queue, name, sentAt }: Envelope,
  { root, parent, eta, expires, shadow }: Omit<Message, 'v' | 'args'>,
  delivered: Promise<void>,
): Promise<void> {
  const report = watch.sending({
    type: 'task-sent',
    timestamp: sentAt,
    id: taskId,
    name,
    ...(shadow !== undefined && { shadow }),
    queue: queueOfLane(queue),
    rootId: root ?? taskId,
    ...(parent !== undefined && { parentId: parent }),
    ...(eta !== undefined && { eta }),
    ...(expires !== undefined && { expires }),
  });
  try {
    await delivered;
  } catch (error) {
    report(false);
    throw error;
  }
  report(true);
}
