/**
 * The port from sending to the app's events, which are on a higher floor. Without listeners a call pays one look at
 * `active`.
 */
import { queueOfLane } from '../protocol/lanes.js';
import { type Message, readMessage } from '../protocol/message.js';
import type { Envelope } from '../queue/producer.js';
import type { EventDetails } from '../tasks/event-details.js';

export interface SendWatch {
  readonly active: boolean;
  /** Awaited before a call leaves: a listener of this process is just starting. */
  readonly settling: Promise<unknown> | undefined;
  /** What events have beside what happened. */
  readonly details?: Pick<EventDetails, 'args'> | undefined;
  /** Called at the first contact with the broker: finds out whether there are listeners. Never rejects. */
  meet(): Promise<void>;
  /** Called before a task is sent; the returned function takes whether the broker accepted it. */
  sending(event: SentEvent): (taken: boolean) => void;
}

/** What is report of a sent task. */
export interface SentEvent {
  readonly type: 'task-sent';
  readonly timestamp: number;
  readonly id: string;
  readonly name: string;
  readonly shadow?: string;
  readonly tags?: readonly string[];
  readonly queue: string;
  readonly rootId: string;
  readonly parentId?: string;
  readonly eta?: number;
  readonly expires?: number;
  readonly args?: readonly unknown[];
}

/** Publishes the event of a task once the broker has the task. */
export async function reportSent(
  watch: SendWatch,
  { taskId, queue, name, sentAt, data }: Envelope,
  { root, parent, eta, expires, shadow, tags }: Omit<Message, 'v' | 'args'>,
  delivered: Promise<void>,
): Promise<void> {
  const report = watch.sending({
    type: 'task-sent',
    timestamp: sentAt,
    id: taskId,
    name,
    ...(shadow !== undefined && { shadow }),
    ...(tags !== undefined && { tags }),
    queue: queueOfLane(queue),
    rootId: root ?? taskId,
    ...(parent !== undefined && { parentId: parent }),
    ...(eta !== undefined && { eta }),
    ...(expires !== undefined && { expires }),
    ...watch.details?.args({
      name,
      get message() {
        return readMessage(data);
      },
    }),
  });
  try {
    await delivered;
  } catch (error) {
    report(false);
    throw error;
  }
  report(true);
}
