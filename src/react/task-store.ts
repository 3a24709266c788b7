/** What a component shows of one task, kept while it is mounted. At most one picture a frame, however fast chunks come. */
import { connect } from '../client/connection.js';

/** What is known of a followed task. */
export interface FollowedTask<R = unknown, C = unknown> {
  /** Undefined until the server has answered. */
  readonly state: string | undefined;
  /** The last meta passed to `updateState`. */
  readonly meta: unknown;
  /** The chunks so far, of the attempt that runs. */
  readonly chunks: readonly C[];
  /** The value, once the task has succeeded. */
  readonly value: R | undefined;
  /** The task's error, or why it cannot be followed. */
  readonly error: Error | undefined;
}

export const NOTHING: FollowedTask<never, never> = Object.freeze({
  state: undefined,
  meta: undefined,
  chunks: Object.freeze([]) as readonly never[],
  value: undefined,
  error: undefined,
});

/** About a frame, ms. */
const FRAME_MS = 16;

export class TaskStore<R, C> {
  #picture: FollowedTask<R, C> = NOTHING;
  readonly #listeners = new Set<() => void>();
  #leave: () => void = () => {};

  constructor(private readonly url: string | null) {}

  readonly read = (): FollowedTask<R, C> => this.#picture;

  /** The first listener connects, and the last one that goes leaves the task. */
  readonly subscribe = (listener: () => void): (() => void) => {
    if (this.#listeners.size === 0 && this.url !== null) this.#leave = this.#follow(this.url);
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      this.#leave();
      this.#leave = () => {};
    };
  };

  #follow(url: string): () => void {
    let chunks: C[] = [];
    let next: FollowedTask<R, C> = NOTHING;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const show = () => {
      timer = undefined;
      this.#picture = { ...next, chunks: [...chunks] };
      for (const listener of this.#listeners) listener();
    };
    const change = (part: Partial<FollowedTask<R, C>>) => {
      next = { ...next, ...part };
      timer ??= setTimeout(show, FRAME_MS);
    };
    const leave = connect(url, {
      onState: (update) => change(update),
      onChunk(chunk) {
        chunks.push(chunk as C);
        change({});
      },
      onRestart() {
        chunks = [];
        change({});
      },
      onEnd: (value, error) => change({ value: value as R | undefined, error }),
      onError: (error) => change({ error }),
    });
    return () => {
      leave();
      clearTimeout(timer);
    };
  }
}
