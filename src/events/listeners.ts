/**
 * `app.on`: the listeners of this process. A listener must not affect the task it is notified of: errors and
 * rejections are logged.
 */
import { OptionError } from '../errors.js';
import { callForeign } from '../foreign.js';
import type { Logger } from '../options/logger.js';
import { nearest } from '../options/names.js';
import { isOwnEventName } from '../tasks/own-events.js';
import {
  type AppEvent,
  EVENT_NAMES,
  type EventListener,
  type EventName,
  LIFECYCLE_NAMES,
  type LifecycleEvent,
} from './names.js';

const LIFECYCLE: ReadonlySet<string> = new Set(LIFECYCLE_NAMES);

export class Listeners {
  readonly #byName = new Map<EventName, Set<EventListener<never>>>();

  constructor(
    private readonly logger: () => Logger,
    /** Called when the first listener is added and when the last one is removed. */
    private readonly changed: () => void,
  ) {}

  /** Whether there are listeners of what happens to tasks and workers, beside those of the lifecycle here. */
  get any(): boolean {
    return [...this.#byName.keys()].some((name) => !LIFECYCLE.has(name));
  }

  /** Whether there are listeners of one of these events. */
  hasAny(names: readonly EventName[]): boolean {
    return names.some((name) => this.#byName.has(name));
  }

  /** @throws {OptionError} for an unknown event name */
  add<N extends EventName>(name: N, listener: EventListener<N>): () => void {
    check(name, listener);
    // A wrapper of its own: the same function added twice is two listeners, each with its own removal.
    const own: EventListener<N> = (event) => listener(event);
    const listeners = this.#byName.get(name) ?? new Set();
    this.#byName.set(name, listeners.add(own as EventListener<never>));
    this.changed();
    return () => {
      if (!listeners.delete(own as EventListener<never>) || listeners.size > 0) return;
      this.#byName.delete(name);
      this.changed();
    };
  }

  call(event: AppEvent): void {
    const listeners = this.#byName.get(event.type);
    if (listeners === undefined) return;
    for (const listener of [...listeners])
      callForeign(
        () => (listener as EventListener<EventName>)(event),
        (error) => this.#complain(event, error),
      );
  }

  /** Notifies the listeners; resolves when all have finished. */
  async announce(event: AppEvent | LifecycleEvent): Promise<void> {
    const listeners = [...(this.#byName.get(event.type) ?? [])] as EventListener<EventName>[];
    await Promise.all(
      listeners.map(async (listener) => {
        try {
          await listener(event);
        } catch (error) {
          this.#complain(event, error);
        }
      }),
    );
  }

  #complain({ type }: AppEvent | LifecycleEvent, error: unknown): void {
    this.logger().error(
      { error, event: type },
      `a listener of app.on('${type}') threw; nothing else is changed by it`,
    );
  }
}

function check(name: string, listener: unknown): void {
  if (typeof listener !== 'function') throw new OptionError(`app.on('${name}', …): give a function.`);
  if ((EVENT_NAMES as readonly string[]).includes(name) || isOwnEventName(name)) return;
  const near = nearest(String(name), EVENT_NAMES);
  const hint = near === undefined ? `Events: ${EVENT_NAMES.join(', ')}.` : `Did you mean "${near}"?`;
  throw new OptionError(`app.on: no event is called "${name}". ${hint}`);
}
