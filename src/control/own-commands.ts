/**
 * An app's own commands of remote control (Celery: custom control commands): `app.onCommand` adds them,
 * `app.control.broadcast` asks workers to run them. A handler is foreign code: whatever it does, its node answers.
 */
import { CeleriacError, isCeleriacError, OptionError } from '../errors.js';
import { nearest } from '../options/names.js';
import { show } from '../show.js';
import { decodeResult, encodeResult } from '../tasks/serializer.js';
import { isPlainText } from '../text-escape.js';

/** What a handler is told of where it runs. */
export interface CommandContext {
  /** Name of the node that answers. */
  readonly node: string;
}

/**
 * Carries out a command on one node. What it returns, plain JSON, is the node's reply: `null` for nothing. What it throws
 * makes the reply `{ error }`.
 */
export type CommandHandler<A = unknown> = (args: A, context: CommandContext) => unknown;

const LONGEST_NAME = 200;

export class OwnCommands {
  readonly #handlers = new Map<string, { readonly run: CommandHandler<never> }>();

  /** @param builtIn the names of celeriac's own commands */
  constructor(private readonly builtIn: readonly string[]) {}

  /**
   * Adds a handler; the returned function removes it.
   * @throws {OptionError} for a name that cannot be one, is celeriac's own or has a handler
   */
  add(name: string, handler: CommandHandler<never>): () => void {
    checkCommandName(name, this.builtIn, 'app.onCommand');
    if (typeof handler !== 'function')
      throw new OptionError(`app.onCommand('${name}', …): give a function, not ${show(handler)}.`);
    if (this.#handlers.has(name))
      throw new OptionError(
        `app.onCommand: "${name}" has a handler. Remove it first, with the function that onCommand returned for it.`,
      );
    // An object of its own: the same function may be removed and added again.
    const own = { run: handler };
    this.#handlers.set(name, own);
    return () => {
      if (this.#handlers.get(name) === own) this.#handlers.delete(name);
    };
  }

  /**
   * Runs a command; gives its encoded reply.
   * @param args encoded
   * @throws {OptionError} for a command that has no handler here
   * @throws {CeleriacError} with the text of what the handler threw
   */
  async run(name: string, args: unknown, context: CommandContext): Promise<unknown> {
    const handler = this.#handlers.get(name);
    if (handler === undefined) throw this.#unknown(name);
    try {
      const reply = (await (handler.run as CommandHandler)(decodeResult(args), context)) ?? null;
      return encodeResult(reply, undefined, 'reply');
    } catch (error) {
      throw new CeleriacError(textOf(error), { cause: error });
    }
  }

  #unknown(name: string): OptionError {
    const near = nearest(name, this.#handlers.keys());
    const known = [...this.#handlers.keys()].join(', ');
    const hint =
      near === undefined
        ? `app.onCommand has added ${known === '' ? 'none' : known}.`
        : `Did you mean "${near}"?`;
    return new OptionError(`unknown command "${name}". ${hint}`);
  }
}

/** The text of a thrown value, whatever it is. */
function textOf(error: unknown): string {
  try {
    if (typeof error === 'string') return error;
    return error instanceof Error ? error.message || error.name : show(error);
  } catch {
    return 'a thrown value that cannot be examined';
  }
}

/** @throws {OptionError} */
export function checkCommandName(
  name: unknown,
  builtIn: readonly string[],
  where: string,
): asserts name is string {
  const bad =
    typeof name !== 'string' ||
    name === '' ||
    name.length > LONGEST_NAME ||
    /\s/.test(name) ||
    !isPlainText(name);
  if (bad)
    throw new OptionError(
      `${where}: ${show(name)} is not the name of a command. Use up to ${LONGEST_NAME} characters without white space.`,
    );
  const own = builtIn.find((known) => plain(known) === plain(name));
  if (own !== undefined)
    throw new OptionError(
      `${where}: "${name}" is a command of celeriac itself (${own}), with a method in app.control or app.inspect(). ` +
        'Give yours another name.',
    );
}

/** `pool_grow` and `pool-grow` are `poolGrow`. */
function plain(name: string): string {
  return name.replaceAll(/[_-]/g, '').toLowerCase();
}

/**
 * The arguments of a command, encoded.
 * @throws {NotSerializableError} with the path of what JSON would change
 */
export function encodeCommandArgs(args: unknown): unknown {
  return encodeResult(args === undefined ? {} : args, undefined, 'args');
}

/** A node's reply as its handler returned it. Never throws. */
export function decodeCommandReply(reply: unknown): unknown {
  try {
    return decodeResult(reply);
  } catch (error) {
    return { error: isCeleriacError(error) ? error.message : 'the reply cannot be read' };
  }
}
