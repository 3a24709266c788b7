/**
 * How one app writes arguments and results: its serializer and its size limit, in one object. Stateless beyond that.
 */
import { NotSerializableError } from '../errors.js';
import { checkPayloadSize } from './payload-size.js';
import type { CallTarget } from './registry.js';
import {
  decodeArgs,
  decodeResult,
  encodeArgs,
  encodeArgsLeniently,
  encodeResult,
  json,
  resolveSerializer,
  type Serializer,
} from './serializer.js';

export class WireCodec {
  readonly #serializer: Serializer;

  constructor(
    serializer: 'json' | 'rich' | Serializer,
    private readonly maxBytes: number | undefined,
  ) {
    this.#serializer = resolveSerializer(serializer);
  }

  /** @throws {NotSerializableError} with the path of what JSON would change */
  encodeArgs(args: readonly unknown[], { name, checker }: CallTarget): unknown {
    return this.#for(name, () => {
      if (checker === undefined || this.#serializer !== json) return encodeArgs(args, this.#serializer);
      // A declared schema may rebuild a Date from its text: what it covers is written leniently.
      return encodeArgsLeniently(args, (index) => checker.rebuilds(index)).payload;
    });
  }

  decodeArgs(encoded: unknown): unknown[] {
    return decodeArgs(encoded, this.#serializer);
  }

  /**
   * @throws {NotSerializableError} with the path of what JSON would change
   * @throws {PayloadTooLargeError}
   */
  encodeResult(value: unknown, taskName: string): unknown {
    const encoded = this.#for(taskName, () => encodeResult(value, this.#serializer));
    if (this.maxBytes !== undefined) this.#checkSize(JSON.stringify(encoded), 'result', taskName);
    return encoded;
  }

  decodeResult(encoded: unknown): unknown {
    return decodeResult(encoded, this.#serializer);
  }

  /** The JSON text of a message. @throws {PayloadTooLargeError} */
  stringify(message: object, taskName: string): string {
    const text = JSON.stringify(message);
    if (this.maxBytes !== undefined) this.#checkSize(text, 'arguments', taskName);
    return text;
  }

  #checkSize(text: string, what: string, taskName: string): void {
    checkPayloadSize(text, { what, where: `task "${taskName}"`, limit: this.maxBytes });
  }

  /** Says which task a refused value belongs to. */
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
