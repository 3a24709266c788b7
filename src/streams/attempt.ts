/**
 * Which attempt of which task a stream belongs to, as the worker that writes it and its readers say alike. Pure.
 */
import type { Message } from '../protocol/message.js';

/** What is known of a task, by a delivery or by a record. */
export interface AttemptSource {
  /** How often a worker began the task, wakings not included. */
  readonly deliveries: number;
  /** Epoch ms. */
  readonly sentAt: number;
  readonly message: Message;
}

/** The number of an attempt: 0 is the first. A retry, a lost worker and a hand-back each begin another; waking up does not. */
export function attemptOf({ deliveries }: Pick<AttemptSource, 'deliveries'>): number {
  return Math.max(0, deliveries - 1);
}

/** Distinguishes tasks that use one id after each other, and the runs of a failed task that was retried as new. */
export function originOf({ sentAt, message }: Pick<AttemptSource, 'sentAt' | 'message'>): string {
  return message.renewed === undefined ? `${sentAt}` : `${sentAt}/${message.renewed}`;
}
