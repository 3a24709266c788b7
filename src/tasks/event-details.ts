/**
 * The option `eventDetails`: what the events of tasks have beside what happened. Events travel through the broker to any
 * listener: what is sealed or hidden stays so, and each detail is cut to a size that fits into an event.
 */
import { OptionError } from '../errors.js';
import { Budget, boundedJson, boundedText } from '../protocol/bounded-json.js';
import type { Message } from '../protocol/message.js';
import { show } from '../show.js';
import { type Hiding, shownInstead } from './shown-arguments.js';
import type { WireCodec } from './wire-codec.js';

/** A detail that events may have. */
export type EventDetail = 'args' | 'result' | 'stack';

const ALL: readonly EventDetail[] = ['args', 'result', 'stack'];
/** Most bytes of a detail as JSON: on PostgreSQL an event must fit into one notification. */
const MOST_BYTES = 3_500;

/**
 * Checks the option.
 * @throws {OptionError} for anything but a list of details
 */
export function checkEventDetails(given: unknown, where: string): readonly EventDetail[] {
  const known = `Give a list of 'args', 'result' and 'stack'.`;
  if (!Array.isArray(given))
    throw new OptionError(`${where}: eventDetails ${show(given)} is no list of details. ${known}`);
  const unknown = given.find((detail) => !(ALL as readonly unknown[]).includes(detail));
  if (unknown !== undefined)
    throw new OptionError(`${where}: eventDetails: there is no detail ${show(unknown)}. ${known}`);
  return [...new Set(given as EventDetail[])];
}

/** The task that an event is about. */
interface EventTask {
  readonly name: string;
  readonly message: Message;
}

export class EventDetails {
  readonly #has: ReadonlySet<EventDetail>;

  constructor(
    details: readonly EventDetail[],
    private readonly codec: Pick<WireCodec, 'sealOf' | 'decodeArgs' | 'decodeEach' | 'decodeResult'>,
    /** Tasks whose code is here say themselves what they hide. */
    private readonly taskOf: (name: string) => Hiding | undefined = () => undefined,
  ) {
    this.#has = new Set(details);
  }

  /** The arguments in a message. Never throws. */
  args(task: EventTask): { readonly args?: readonly unknown[] } {
    if (!this.#has.has('args')) return NONE;
    const { name, message } = task;
    const instead = shownInstead(message, this.taskOf(name));
    const { args, each } = message;
    const shown = this.#shown(
      task,
      () => instead ?? (each === true ? this.codec.decodeEach(args) : this.codec.decodeArgs(args)),
    );
    return { args: Array.isArray(shown) ? shown : [shown] };
  }

  /** A task's encoded result. Never throws. */
  result(encoded: unknown, task: EventTask): { readonly result?: unknown } {
    if (!this.#has.has('result')) return NONE;
    const result = this.#shown(task, () => this.codec.decodeResult(encoded));
    return result === undefined ? NONE : { result };
  }

  /** The stack of an error. Never throws. */
  stack(error: unknown, { name, message }: EventTask): { readonly stack?: string } {
    // A stack begins with the error's message, which may hold what was sealed.
    if (!this.#has.has('stack') || this.codec.sealOf(name, message) !== undefined) return NONE;
    try {
      const stack: unknown = error instanceof Error ? error.stack : undefined;
      return typeof stack === 'string'
        ? { stack: boundedText(stack, new Budget(MOST_BYTES), MOST_BYTES) }
        : NONE;
    } catch {
      return NONE; // a getter threw
    }
  }

  #shown({ name, message }: EventTask, decode: () => unknown): unknown {
    const seal = this.codec.sealOf(name, message);
    if (seal !== undefined) return `[sealed by the serializer "${seal}"]`;
    try {
      return boundedJson(decode(), new Budget(MOST_BYTES));
    } catch {
      return '[cannot be read]';
    }
  }
}

const NONE = Object.freeze({});
