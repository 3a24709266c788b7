/**
 * `app.on`: who wants to hear what happens in this process. Whatever a listener does, the task it hears of is not
 * touched by it: what it throws, or rejects with, is logged.
 */
import { OptionError } from '../errors.js';
import { callForeign } from '../foreign.js';
import type { Logger } from '../options/logger.js';
import { nearest } from '../options/names.js';
import { type AppEvent, EVENT_NAMES, type EventListener, type EventName } from './names.js';

export class Listeners {
  readonly #byName = new Map<EventName, Set<EventListener<never>>>();

  constructor(
    private readonly logger: () => Logger,
    /** Called when the first listener comes and when the last one goes. */
    private readonly changed: () => void,
  ) {}

  get any(): boolean {
    return this.#byName.size > 0;
  }

  /** @throws {OptionError} for a name that no event has */
  add<N extends EventName>(name: N, listener: EventListener<N>): () => void {
    check(name, listener);
    // Its own wrapper: the same function twice is two listeners, each with a way out of its own.
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

  /** The same, and resolves when all are through with it. */
  async announce(event: AppEvent): Promise<void> {
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

  #complain({ type }: AppEvent, error: unknown): void {
    this.logger().error(
      { error, event: type },
      `a listener of app.on('${type}') threw; nothing else is changed by it`,
    );
  }
}

function check(name: string, listener: unknown): void {
  if (typeof listener !== 'function') throw new OptionError(`app.on('${name}', …): give a function.`);
  if ((EVENT_NAMES as readonly string[]).includes(name)) return;
  const near = nearest(String(name), EVENT_NAMES);
  const hint = near === undefined ? `Events: ${EVENT_NAMES.join(', ')}.` : `Did you mean "${near}"?`;
  throw new OptionError(`app.on: no event is called "${name}". ${hint}`);
}
