/**
 * Encodes the arguments and results of one app, with its serializer and its size limit. It has no other state.
 */
import { NotSerializableError } from '../errors.js';
import { keepOrder } from '../key-order.js';
import { itemOf } from './batch-item.js';
import { packArguments } from './outgoing-arguments.js';
import { checkPayloadSize } from './payload-size.js';
import type { CallTarget } from './registry.js';
import {
  decodeArgs,
  decodeResult,
  encodeResult,
  encodeResults,
  isSealing,
  resolveSerializer,
  type Serializer,
} from './serializer.js';

export class WireCodec {
  readonly #serializer: Serializer;

  constructor(
    serializer: 'json' | 'rich' | Serializer,
    private readonly maxBytes: number | undefined,
    /** True if the broker sorts the keys of objects: then payloads that would lose their order are written as text. */
    private readonly sortsKeys: () => boolean = () => false,
  ) {
    this.#serializer = resolveSerializer(serializer);
  }

  /**
   * Checks the arguments of a call and writes them as JSON text, so that later changes by the caller have no effect.
   * Returns a promise only if a schema needs one.
   * @throws {InvalidArgumentsError} with every violation
   * @throws {NotSerializableError} with the path of what JSON would change
   * @throws {PayloadTooLargeError}
   */
  packArgs(args: readonly unknown[], target: CallTarget): string | Promise<string> {
    if (target.each === true) return this.#packEach(args as readonly (readonly unknown[])[], target);
    const { name, checker } = target;
    if (target.batch === true) itemOf(name, args);
    const packed = this.#for(name, () => packArguments(args, checker, this.#serializer));
    if (!(packed instanceof Promise)) return this.#text(packed, 'arguments', name);
    return packed.then(
      (payload) => this.#text(payload, 'arguments', name),
      (error: unknown) =>
        this.#for(name, () => {
          throw error;
        }),
    );
  }

  /** A list of argument lists, each checked as a call. */
  async #packEach(
    lists: readonly (readonly unknown[])[],
    { each: _, ...target }: CallTarget,
  ): Promise<string> {
    const texts = await Promise.all(lists.map((args) => this.packArgs(args, target)));
    return `[${texts.join(',')}]`;
  }

  decodeArgs(encoded: unknown): unknown[] {
    return decodeArgs(encoded, this.#serializer);
  }

  /**
   * @param each the task ran over many items: the value is the list of their results
   * @throws {NotSerializableError} with the path of what JSON would change
   * @throws {PayloadTooLargeError}
   */
  encodeResult(value: unknown, taskName: string, each = false): unknown {
    const encoded = this.#for(taskName, () =>
      each && Array.isArray(value)
        ? encodeResults(value, this.#serializer)
        : encodeResult(value, this.#serializer),
    );
    if (this.maxBytes !== undefined) this.#checkSize(JSON.stringify(encoded), 'result', taskName);
    return this.#kept(encoded);
  }

  decodeResult(encoded: unknown): unknown {
    return decodeResult(encoded, this.#serializer);
  }

  /**
   * A chunk of a stream as JSON text, which keeps the order of its keys on every broker.
   * @throws {NotSerializableError} with the path of what JSON would change
   * @throws {PayloadTooLargeError}
   */
  encodeChunk(chunk: unknown, taskName: string): string {
    const text = JSON.stringify(this.#for(taskName, () => encodeResult(chunk, this.#serializer, 'chunk')));
    if (this.maxBytes !== undefined) this.#checkSize(text, 'chunk', taskName);
    return text;
  }

  /**
   * Encodes the meta of a state: plain JSON for dashboards with any of the built-in serializers, sealed by a user's
   * own.
   * @throws {NotSerializableError}
   */
  encodeMeta(meta: unknown): unknown {
    const plain = encodeResult(meta ?? null);
    return this.seal === undefined ? plain : encodeResult(meta ?? null, this.#serializer);
  }

  /** The name of the serializer if it is a user's own: then events and `inspect` must show none of its values. */
  get seal(): string | undefined {
    return isSealing(this.#serializer) ? this.#serializer.name : undefined;
  }

  #text(payload: unknown, what: string, taskName: string): string {
    const text = JSON.stringify(payload);
    if (this.maxBytes !== undefined) this.#checkSize(text, what, taskName);
    const kept = this.#kept(payload);
    return kept === payload ? text : JSON.stringify(kept);
  }

  #kept(payload: unknown): unknown {
    return typeof payload === 'object' && this.sortsKeys() ? keepOrder(payload) : payload;
  }

  #checkSize(text: string, what: string, taskName: string): void {
    checkPayloadSize(text, { what, where: `task "${taskName}"`, limit: this.maxBytes });
  }

  /** Adds the task's name to the error of a refused value. */
  #for<R>(taskName: string, encode: () => R): R {
    try {
      return encode();
    } catch (error) {
      if (!(error instanceof NotSerializableError)) throw error;
      throw new NotSerializableError(`task "${taskName}": ${error.message}`, error.path, {
        cause: error.cause,
      });
    }
  }
}
