/** Makes the stream of a result: what its reader needs, from what the result knows. */
import type { JobRef } from '../broker/broker.js';
import { chunkTopic } from '../broker/notice-channels.js';
import type { TaskRecord } from '../coordination/task-record.js';
import { UnknownTaskError } from '../errors.js';
import { readMessage } from '../protocol/message.js';
import { READY } from '../states.js';
import { attemptOf, originOf } from '../streams/attempt.js';
import { ResultStream } from '../streams/result-stream.js';
import { readStreamOptions, type StreamOptions } from '../streams/stream-options.js';
import { readStream, type StreamingTask, type Watched } from '../streams/stream-reader.js';
import type { Feed } from './feed.js';
import type { ResultSource } from './result-source.js';
import type { Snapshot } from './snapshot.js';
import { topicsOf } from './task-reader.js';
import { WakeUp } from './wake-up.js';

/** What the result knows of its task. */
export interface FollowedTask {
  locate(): Promise<JobRef | undefined>;
  /** Undefined for a task without a stored result. @throws {UnknownTaskError} */
  read(ref: JobRef, signal: AbortSignal | undefined): Promise<TaskRecord | undefined>;
  derive(job: TaskRecord): Snapshot;
}

/** @throws {OptionError} */
export function streamOf<C>(
  { engine, feed, decoding }: ResultSource,
  taskId: string,
  options: StreamOptions,
  task: FollowedTask,
): ResultStream<C> {
  const settings = readStreamOptions(options);
  const { signal } = settings;
  return new ResultStream<C>(() => {
    let ref: JobRef | undefined;
    const located = async (): Promise<JobRef> => {
      ref ??= await task.locate();
      if (ref === undefined) throw new UnknownTaskError(taskId);
      return ref;
    };
    return readStream<C>({
      taskId,
      streams: engine.streams,
      settings,
      bell: new WakeUp(),
      locate: async () => (await located()).id,
      look: async () => {
        const job = await task.read(await located(), signal);
        return job === undefined ? GONE : sightOf(job, task.derive(job));
      },
      watch: (jobId, onNotice) => watchBoth(feed, ref ?? { queue: '', id: jobId }, onNotice),
      patiently: (work) => feed.patiently(work, signal),
      decode: (text) => decoding.decodeResult(JSON.parse(text)) as C,
      hold: () => engine.hold(),
    });
  });
}

/** A task that has ended without a record: its chunks are all that is left of it. */
const GONE: StreamingTask = {
  known: false,
  attempt: undefined,
  origin: undefined,
  running: false,
  ended: true,
  error: undefined,
};

function watchBoth(feed: Feed, ref: JobRef, onNotice: (of: 'task' | 'chunks') => void): Watched {
  const task = feed.watchTopics(topicsOf(ref), () => onNotice('task'));
  const chunks = feed.watchTopics([chunkTopic(ref.id)], () => onNotice('chunks'));
  return {
    listening: Promise.all([task.listening, chunks.listening]).then(() => undefined),
    close: () => {
      task.close();
      chunks.close();
    },
  };
}

/** What a record says to whoever follows its task. */
export function sightOf(job: TaskRecord, { state, error, deliveries }: Snapshot): StreamingTask {
  const ended = READY.has(state);
  const message = readMessage(job.data);
  // Other records show what took the task's place, or a part without a job: they say nothing of its attempts.
  const isJob = job.kind !== 'replaced' && job.kind !== 'dropped' && job.deliveries > 0;
  return {
    known: true,
    attempt: isJob ? attemptOf({ deliveries }) : undefined,
    origin: isJob ? originOf({ sentAt: job.sentAt, message }) : undefined,
    running: job.running,
    ended,
    error: ended ? error : undefined,
  };
}
