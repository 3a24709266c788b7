/**
 * The calls sent while an app is under test, in order, with their encoded arguments.
 */

import type { AddedJob } from '../broker/watched-engine.js';
import { taskIdOfJob } from '../protocol/ids.js';
import { queueOfLane } from '../protocol/lanes.js';
import type { WireCodec } from '../tasks/wire-codec.js';

/** A call that was sent, as `sent()` shows it. */
export interface SentTask<A extends readonly unknown[] = readonly unknown[]> {
  readonly id: string;
  readonly name: string;
  /** After the serializer. */
  readonly args: A;
  readonly queue: string;
  readonly priority: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly tags: readonly string[];
  /** When it is due, for a call with `countdown` or `eta`. */
  readonly eta: Date | undefined;
  readonly expires: Date | undefined;
  /** The moment of the call, by the clock of the test. */
  readonly sentAt: Date;
  readonly rootId: string;
  /** The task that sent it. */
  readonly parentId: string | undefined;
}

/** The call behind a job. */
export function sentTask({ ref, name, message, priority, sentAt }: AddedJob, codec: WireCodec): SentTask {
  const id = message.id ?? taskIdOfJob(ref.id);
  return {
    id,
    name,
    args: codec.decodeArgs(message.args),
    queue: queueOfLane(ref.queue),
    priority,
    headers: message.headers ?? {},
    tags: message.tags ?? [],
    eta: dateOf(message.eta),
    expires: dateOf(message.expires),
    sentAt: new Date(sentAt),
    rootId: message.root ?? id,
    parentId: message.parent,
  };
}

function dateOf(at: number | undefined): Date | undefined {
  return at === undefined ? undefined : new Date(at);
}
