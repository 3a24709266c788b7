/**
 * Encodes and decodes the values of one app's tasks: with the serializer and the compression that the call, its task or
 * the app says, and within the app's size limit. It has no other state.
 */
import { NotSerializableError } from '../errors.js';
import { keepOrder } from '../key-order.js';
import type { Compression } from '../options/compression.js';
import type { SerializerOption } from '../options/serializers.js';
import type { PublishPolicy } from '../options/task-options.js';
import type { Message } from '../protocol/message.js';
import { itemOf } from './batch-item.js';
import { compressed, InflationBudget } from './compression.js';
import { packArguments } from './outgoing-arguments.js';
import { checkPayloadSize } from './payload-size.js';
import type { CallTarget } from './registry.js';
import {
  decodeArgs,
  decodeResult,
  encodeResult,
  encodeResults,
  isSealing,
  PLAIN_NAMES,
  type Serializer,
  unknownWriter,
} from './serializer.js';
import { Serializers } from './serializers.js';
import { hides } from './shown-arguments.js';

/** How the values of one task are written. */
export interface Writing {
  readonly serializer: Serializer;
  readonly compress: Compression | false;
}

/** What a task or a call says of how its values are written. */
type Chosen = Pick<Partial<PublishPolicy>, 'serializer' | 'compress'>;

/** What a message says of it. */
type Sent = Pick<Message, 'serializer' | 'compress'>;

export interface CodecParams {
  /** `maxPayloadBytes`; undefined for no limit. */
  readonly maxBytes?: number | undefined;
  readonly compress?: Compression | false | undefined;
  /** True if the broker sorts the keys of objects: then payloads that would lose their order are written as text. */
  readonly sortsKeys?: () => boolean;
  /** What a task whose code is here says of how its values are written. */
  readonly policyOf?: (name: string) => Chosen | undefined;
}

export class WireCodec {
  readonly #plain: Writing;

  constructor(
    private readonly serializers: Serializers,
    private readonly params: CodecParams = {},
  ) {
    this.#plain = { serializer: serializers.first, compress: params.compress ?? false };
  }

  /**
   * Checks the arguments of a call and writes them as JSON text, so that later changes by the caller have no effect.
   * Returns a promise only if a schema needs one.
   * @throws {InvalidArgumentsError} with every violation
   * @throws {NotSerializableError} with the path of what JSON would change
   * @throws {PayloadTooLargeError}
   */
  packArgs(
    args: readonly unknown[],
    target: CallTarget,
    chosen?: SerializerOption,
  ): string | Promise<string> {
    if (target.each === true) return this.#packEach(args as readonly (readonly unknown[])[], target, chosen);
    const { name, checker } = target;
    if (target.batch === true) itemOf(name, args);
    const hidden = hides(target);
    const serializer = this.#chosen(chosen ?? target.publish.serializer);
    const packed = this.#for(name, () => packArguments(args, checker, serializer), hidden);
    if (!(packed instanceof Promise)) return this.#text(packed, 'arguments', name);
    return packed.then(
      (payload) => this.#text(payload, 'arguments', name),
      (error: unknown) => this.#for(name, () => rethrow(error), hidden),
    );
  }

  /** A list of argument lists, each checked as a call. */
  async #packEach(
    lists: readonly (readonly unknown[])[],
    { each: _, ...target }: CallTarget,
    chosen: SerializerOption | undefined,
  ): Promise<string> {
    const texts = await Promise.all(lists.map((args) => this.packArgs(args, target, chosen)));
    return `[${texts.join(',')}]`;
  }

  /** The name of the serializer that a call or its task chooses, for its message; undefined for the app's own. */
  serializerName(chosen: SerializerOption | undefined): string | undefined {
    const name = typeof chosen === 'object' ? chosen.name : chosen;
    return name === this.#plain.serializer.name ? undefined : name;
  }

  /**
   * Packed arguments as they are stored: compressed where they are large.
   * @param compress what the call or its task says; undefined for what the app says
   */
  compressArgs(packed: string, compress: Compression | false | undefined = this.#plain.compress): string {
    if (compress === false) return packed;
    const smaller = compressed(packed, compress, this.serializers.mostBytes);
    return smaller === undefined ? packed : JSON.stringify(smaller);
  }

  decodeArgs(encoded: unknown): unknown[] {
    return decodeArgs(encoded, this.serializers);
  }

  /**
   * The argument lists of a task that runs with many.
   * @throws {NotSerializableError} when the message holds something else
   */
  decodeEach(encoded: unknown): unknown[][] {
    const together = this.budget();
    return this.decodeArgs(encoded).map((args) => decodeArgs(args, this.serializers, together));
  }

  /**
   * How the values of a task are written.
   * @param name the task's
   * @param sent what its message says of that
   * @throws {CeleriacError} for a serializer that this app lacks
   */
  writingFor(name: string, sent: Sent): Writing {
    const policy = this.params.policyOf?.(name);
    if (sent.serializer === undefined && sent.compress === undefined) {
      if (policy?.serializer === undefined && policy?.compress === undefined) return this.#plain;
    }
    const { compress: usual } = this.#plain;
    const declared = policy?.compress ?? usual;
    const format = (declared || usual || undefined)?.format ?? 'gzip';
    return {
      serializer: this.#chosen(sent.serializer ?? policy?.serializer),
      compress:
        sent.compress === undefined ? declared : sent.compress > 0 && { above: sent.compress, format },
    };
  }

  /** True for how values are written where no task and no call says otherwise. */
  isUsual(writing: Writing): boolean {
    return writing === this.#plain;
  }

  /** @throws {CeleriacError} when the app lacks this serializer */
  require(serializer: string): void {
    if (this.serializers.named(serializer) === undefined) throw unknownWriter(serializer, this.serializers);
  }

  #chosen(option: SerializerOption | undefined): Serializer {
    return option === undefined ? this.#plain.serializer : this.serializers.of(option);
  }

  /**
   * @param each the task ran over many items: the value is the list of their results
   * @throws {NotSerializableError} with the path of what JSON would change
   * @throws {PayloadTooLargeError}
   */
  encodeResult(value: unknown, taskName: string, writing: Writing = this.#plain, each = false): unknown {
    const { serializer } = writing;
    const encoded = this.#for(taskName, () =>
      each && Array.isArray(value) ? encodeResults(value, serializer) : encodeResult(value, serializer),
    );
    return this.#stored(encoded, 'result', taskName, writing);
  }

  /** @param within for several values that belong together */
  decodeResult(encoded: unknown, within?: InflationBudget): unknown {
    return decodeResult(encoded, this.serializers, within);
  }

  /** For decoding several values of one message. */
  budget(): InflationBudget {
    return new InflationBudget(this.serializers.mostBytes);
  }

  /**
   * A chunk of a stream as JSON text, which keeps the order of its keys on every broker.
   * @throws {NotSerializableError} with the path of what JSON would change
   * @throws {PayloadTooLargeError}
   */
  encodeChunk(chunk: unknown, taskName: string, { serializer, compress }: Writing = this.#plain): string {
    const text = JSON.stringify(this.#for(taskName, () => encodeResult(chunk, serializer, 'chunk')));
    this.#checkSize(text, 'chunk', taskName);
    return this.compressArgs(text, compress);
  }

  /**
   * Encodes the meta of a state: plain JSON for dashboards with any of the built-in serializers, sealed by a user's
   * own.
   * @param task its name, and what its message says of how its values are written
   * @throws {NotSerializableError}
   */
  encodeMeta(meta: unknown, task: { readonly name: string; readonly message: Sent }): unknown {
    const { serializer, compress } = this.writingFor(task.name, task.message);
    const plain = encodeResult(meta ?? null);
    const encoded = isSealing(serializer) ? encodeResult(meta ?? null, serializer) : plain;
    if (compress === false) return encoded;
    return compressed(JSON.stringify(encoded), compress, this.serializers.mostBytes) ?? encoded;
  }

  /** The name of the app's serializer if it is a user's own: then events and `inspect` must show none of its values. */
  get seal(): string | undefined {
    const { serializer } = this.#plain;
    return isSealing(serializer) ? serializer.name : undefined;
  }

  /** The name of the user's serializer that the values of a task go through, by its message; undefined for none. */
  sealOf(name: string, { serializer, args }: Pick<Message, 'serializer' | 'args'>): string | undefined {
    const policy = this.params.policyOf?.(name)?.serializer;
    const declared = typeof policy === 'object' ? policy.name : policy;
    return (
      this.seal ??
      [serializer, envelopeOf(args), declared].find((each) => each !== undefined && !PLAIN_NAMES.has(each))
    );
  }

  #text(payload: unknown, what: string, taskName: string): string {
    const text = JSON.stringify(payload);
    this.#checkSize(text, what, taskName);
    const kept = this.#kept(payload);
    return kept === payload ? text : JSON.stringify(kept);
  }

  /** A payload as it is stored: compressed where it is large, else in the order of its keys. */
  #stored(encoded: unknown, what: string, taskName: string, { compress }: Writing): unknown {
    const { maxBytes } = this.params;
    if (maxBytes === undefined && compress === false) return this.#kept(encoded);
    const text = JSON.stringify(encoded);
    this.#checkSize(text, what, taskName);
    return compressed(text, compress, this.serializers.mostBytes) ?? this.#kept(encoded);
  }

  #kept(payload: unknown): unknown {
    return typeof payload === 'object' && this.params.sortsKeys?.() === true ? keepOrder(payload) : payload;
  }

  #checkSize(text: string, what: string, taskName: string): void {
    const { maxBytes } = this.params;
    if (maxBytes !== undefined)
      checkPayloadSize(text, { what, where: `task "${taskName}"`, limit: maxBytes });
  }

  /** Adds the task's name to the error of a refused value. */
  #for<R>(taskName: string, encode: () => R, hidden = false): R {
    try {
      return encode();
    } catch (error) {
      if (!(error instanceof NotSerializableError)) throw error;
      if (hidden) throw refusedDiscreetly(taskName, error.path);
      throw new NotSerializableError(`task "${taskName}": ${error.message}`, error.path, {
        cause: error.cause,
      });
    }
  }
}

/** The kind of envelope around a payload. */
function envelopeOf(payload: unknown): string | undefined {
  if (typeof payload !== 'object' || payload === null) return undefined;
  const kind: unknown = Reflect.get(payload, '$celeriac');
  return typeof kind === 'string' ? kind : undefined;
}

function rethrow(error: unknown): never {
  throw error;
}

/** The error of a hidden argument that cannot be sent: which one, and nothing of it. */
function refusedDiscreetly(taskName: string, path: string): NotSerializableError {
  const [at = 'args'] = /^args\[\d+\]/.exec(path) ?? [];
  return new NotSerializableError(
    `task "${taskName}": ${at} holds a value that its serializer cannot send. The task hides its arguments, so this says ` +
      'no more: look for a Date, Map, function or the like in it.',
    at,
  );
}
