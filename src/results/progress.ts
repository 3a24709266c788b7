/** The states of a task from now until its end, with the attempt of each: what `updates()` gives, and browsers get. */
import { isCeleriacError, UnknownTaskError } from '../errors.js';
import { READY, type State } from '../states.js';
import type { ResultSource } from './result-source.js';
import { StateHistory } from './state-history.js';
import { type FollowedTask, sightOf } from './stream-of.js';
import { WakeUp } from './wake-up.js';

/** A state of a task. */
export interface Progress {
  readonly state: State;
  readonly meta: unknown;
  /** The attempt that it belongs to, as streams count them: 0 is the first. */
  readonly attempt: number;
}

/** How often to poll a watched task without notices, ms: STARTED has no notice of its own. */
const POLL_MS = 500;

/** @throws {UnknownTaskError} the id was never sent, or is no longer kept */
export async function* progressIn(
  { feed, engine }: ResultSource,
  taskId: string,
  task: FollowedTask,
  signal: AbortSignal | undefined,
): AsyncGenerator<Progress, void, void> {
  const release = engine.hold();
  const wakeUp = new WakeUp();
  const course = new StateHistory();
  let close = () => {};
  let attempt = 0;
  try {
    const ref = await feed.patiently(() => task.locate(), signal);
    if (ref === undefined) throw new UnknownTaskError(taskId);
    const watch = feed.watch(ref, () => wakeUp.wake());
    close = watch.close;
    await watch.listening;
    for (;;) {
      const job = await feed
        .patiently(() => task.read(ref, signal), signal)
        .catch((error: unknown) => {
          // It was forgotten, or has expired, while it was followed.
          if (course.begun && isCeleriacError(error, 'UNKNOWN_TASK')) return undefined;
          throw error;
        });
      if (job === undefined) return;
      const snapshot = task.derive(job);
      attempt = sightOf(job, snapshot).attempt ?? attempt;
      for (const { state, meta } of course.steps(job, snapshot)) yield { state, meta, attempt };
      if (READY.has(snapshot.state)) return;
      await wakeUp.wait(POLL_MS, signal);
    }
  } finally {
    close();
    release();
  }
}
