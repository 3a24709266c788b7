/**
 * Turns a call into a message and sends it: options and routes, arguments checked and encoded, middleware, an id, and
 * then the producer. For a plain call all of this is synchronous, so that calls made together leave together.
 */

import type { Engine } from '../broker/broker.js';
import type { BrokerClock } from '../broker/clock.js';
import type { TaskIdIndex } from '../coordination/task-id-index.js';
import { BrokerUnavailableError, CeleriacError } from '../errors.js';
import type { CallOptions } from '../options/call-options.js';
import type { DeclaredQueues } from '../options/queues.js';
import type { Router } from '../options/routes.js';
import { encodeCustomId, type IdSource, queueOfGenerated } from '../protocol/ids.js';
import { writeMessage } from '../protocol/message.js';
import { type Envelope, naming, type Producer } from '../queue/producer.js';
import type { Tracing } from '../queue/tracing.js';
import { AsyncResult } from '../results/async-result.js';
import type { ResultSource } from '../results/result-source.js';
import { type PublishContext, type PublishMiddleware, through } from '../tasks/middleware.js';
import type { CallTarget } from '../tasks/registry.js';
import type { WireCodec } from '../tasks/wire-codec.js';
import type {
  Decided,
  Detour,
  Outgoing,
  PlainCall,
  PreparedCall,
  ThroughMiddleware,
  Written,
} from './call-stages.js';
import { messageFields, NO_HEADERS } from './message-fields.js';
import { packCall, payloadFields, storedArgs } from './pack-call.js';
import { checkRetry, learnClock, notSent } from './publish-retry.js';
import { CallResolver, NO_OPTIONS, priorityOf } from './resolve.js';
import { sendAttributes } from './send-attributes.js';
import { reportSent, type SendWatch } from './send-watch.js';
import { type UniqueCall, type UniqueCalls, uniqueCall } from './unique.js';

/** What sending needs from its app. */
export interface SenderParams {
  readonly engine: Engine;
  readonly clock: BrokerClock;
  readonly ids: IdSource;
  readonly index: TaskIdIndex;
  readonly producer: Producer;
  readonly unique: UniqueCalls;
  readonly results: ResultSource;
  readonly middleware: readonly PublishMiddleware[];
  readonly router: Router | undefined;
  readonly defaultQueue: string;
  /** The queues that calls may name; undefined: any. */
  readonly queues?: DeclaredQueues;
  /** Time zone of moments that name none. */
  readonly timezone: string;
  readonly codec: WireCodec;
  readonly events: SendWatch;
  readonly tracing: Tracing | undefined;
  /** Its tasks are not there when the call has resolved: they wait for the caller's commit. */
  readonly uncommitted?: true;
}

export class Sender {
  /** Where calls run unless they choose otherwise; `null`: they go to the broker. */
  detour: Detour | null = null;

  readonly #resolver: CallResolver;

  constructor(private readonly params: SenderParams) {
    this.#resolver = new CallResolver(params);
  }

  /** Sends one task. An invalid call rejects, and nothing is sent. */
  async send<R, C = unknown>(
    target: CallTarget,
    args: readonly unknown[],
    options: CallOptions = NO_OPTIONS,
    settled: Decided = NOTHING_SETTLED,
  ): Promise<AsyncResult<R, C>> {
    const { detour = this.detour } = settled;
    const packing = packCall(this.params.codec, { target, args, options }, settled.input === undefined);
    const packed = typeof packing === 'string' ? packing : await packing;
    // The first call learns the broker's clock, and thereby whether the broker can be reached.
    const syncing = detour === null ? this.params.clock.sync() : undefined;
    if (syncing !== undefined) await this.#learnClock(syncing, { target, args, options }, settled.retryMs);
    if (this.params.events.settling !== undefined) await this.params.events.settling;
    const { tracing, middleware } = this.params;
    const plain = options.headers === undefined && middleware.length === 0;
    const outgoing: Outgoing = {
      detour,
      target,
      args,
      packed,
      options,
      headers: plain ? NO_HEADERS : { ...options.headers },
      propagated: plain ? NOBODY : [],
      settled,
    };
    if (tracing === undefined || detour !== null)
      return this.#pass<R>(outgoing) as Promise<AsyncResult<R, C>>;
    const plan = { name: target.name, kind: 'producer' } as const;
    return tracing.span(plan, (span) => this.#pass<R>({ ...outgoing, span })) as Promise<AsyncResult<R, C>>;
  }

  #pass<R>(outgoing: Outgoing): Promise<AsyncResult<R>> {
    const unseen = this.params.middleware.length === 0 || outgoing.detour?.sends === false;
    return unseen
      ? this.#publish(outgoing)
      : this.#throughMiddleware(outgoing as ThroughMiddleware, () => this.#publish<R>(outgoing));
  }

  /**
   * Prepares a call that a workflow will make later: as `send`, publish middleware included, but nothing is sent.
   * @param complete true if all arguments are given, so that they are checked; otherwise the previous step adds the
   *   rest
   */
  async prepare(
    target: CallTarget,
    args: readonly unknown[],
    options: CallOptions,
    complete: boolean,
  ): Promise<PreparedCall> {
    const packed = await packCall(this.params.codec, { target, args, options }, complete);
    const outgoing: ThroughMiddleware = {
      detour: null,
      target,
      args,
      packed,
      options,
      headers: { ...options.headers },
      propagated: [],
      settled: NOTHING_SETTLED,
    };
    if (this.params.middleware.length === 0) return this.#prepared(outgoing, complete);
    return this.#throughMiddleware(outgoing, async () => this.#prepared(outgoing, complete));
  }

  #prepared(outgoing: Outgoing, complete: boolean): PreparedCall {
    const { target } = outgoing;
    const now = this.params.clock.now();
    const call = this.#resolver.resolve(outgoing, now);
    const { timezone } = this.params;
    const { expires: expiresAt, eta: _, ...fields } = messageFields(outgoing, call, now, timezone);
    const later = messageFields(outgoing, this.#resolver.resolve(outgoing, now + 1000), now + 1000, timezone);
    const ignoreResult = call.ignoreResult ?? target.publish.ignoreResult;
    const { codec } = this.params;
    return {
      packed: storedArgs(codec, outgoing, call),
      queue: this.#resolver.placeOf(target, call.queue),
      taskId: call.taskId,
      priority: priorityOf(target, call),
      trace: this.params.tracing?.current(),
      fields: {
        ...fields,
        ...(ignoreResult && { ignore: true as const }),
        ...payloadFields(codec, outgoing, call, complete),
      },
      // A duration counts from now on; a moment stays fixed.
      expires:
        expiresAt === undefined
          ? undefined
          : later.expires === expiresAt
            ? { at: expiresAt }
            : { inMs: expiresAt - now },
      due:
        call.etaAt === undefined
          ? undefined
          : later.eta === call.etaAt
            ? { at: call.etaAt }
            : { inMs: call.delayMs },
    };
  }

  async #throughMiddleware<R>(outgoing: ThroughMiddleware, last: () => Promise<R>): Promise<R> {
    const { target, args, options, headers, propagated } = outgoing;
    let result: { readonly value: R } | undefined;
    const propagate = (header: string) => void propagated.push(header);
    const context: PublishContext = { name: target.name, args, headers, options, propagate };
    await through(this.params.middleware, context, {
      what: `the call of ${target.name}`,
      last: async () => {
        result = { value: await last() };
        return result.value;
      },
    });
    if (result !== undefined) return result.value;
    throw new CeleriacError(`A publish middleware did not call next(), so ${target.name} was not sent.`);
  }

  async #publish<R>(outgoing: Outgoing): Promise<AsyncResult<R>> {
    const written = this.#write(outgoing);
    const { envelope, unique } = written;
    outgoing.span?.set(sendAttributes(envelope));
    if (outgoing.detour !== null) return outgoing.detour.run<R>(envelope);
    if (unique === undefined) {
      await this.#deliver(written);
      return this.#resultOf(written);
    }
    const claimed = this.params.unique.send(unique, envelope, () => this.#deliver(written));
    const holder = await naming(envelope.taskId, claimed);
    if (holder === undefined) return this.#resultOf(written);
    const { name, ignoreResult } = written;
    return new AsyncResult<R>(this.params.results, holder.taskId, { ref: holder.job, name, ignoreResult });
  }

  /**
   * Sends many plain tasks. All are read before any is sent, so one invalid call holds back all.
   * @returns undefined when calls do not simply go to the broker: then each must be sent by itself
   */
  async sendTogether(calls: readonly PlainCall[]): Promise<AsyncResult[] | undefined> {
    const { params } = this;
    const seen = params.middleware.length > 0 || params.tracing !== undefined;
    if (this.detour !== null || seen || params.events.active) return undefined;
    const packing = calls.map((call) => packCall(params.codec, call));
    const packed: readonly string[] = packing.every((text) => typeof text === 'string')
      ? packing
      : await Promise.all(packing);
    const [first] = calls;
    const syncing = params.clock.sync();
    if (syncing !== undefined && first !== undefined) await this.#learnClock(syncing, first);
    if (params.events.settling !== undefined) await params.events.settling;
    // Only the first contact may have shown that there are listeners.
    if (params.events.active) return undefined;
    // Calls with special options may be invalid too, so all are read before any is sent.
    const routed = params.router !== undefined;
    const read = calls.map((call, i) =>
      routed || hasAny(call.options) ? this.#writePlain(call, packed[i] ?? '') : undefined,
    );
    // A route may make a call unique, which the call's own options do not show.
    if (read.some((call) => call?.unique !== undefined)) return undefined;
    const results: AsyncResult[] = [];
    let before: Promise<void> | undefined;
    for (let at = 0; at < calls.length; at += PIECE) {
      const written = calls
        .slice(at, at + PIECE)
        .map((call, i) => read[at + i] ?? this.#writePlain(call, packed[at + i] ?? ''));
      const sent = params.producer.sendAll(written.map(({ envelope }) => envelope));
      sent.catch(() => undefined); // awaited in its turn; the piece before it may have failed first
      // Writes the next piece while the broker takes this one; more at once would only fill memory.
      await before;
      before = sent;
      for (const each of written) results.push(this.#resultOf(each));
    }
    await before;
    return results;
  }

  /**
   * Reads a call as `send` does, without sending it.
   * @throws whatever `send` would reject with for an invalid call
   */
  async check(call: PlainCall): Promise<void> {
    await packCall(this.params.codec, call);
    const { queue } = this.#resolver.resolve(call, this.params.clock.now());
    this.#resolver.placeOf(call.target, queue);
  }

  /** @throws {DuplicateTaskError} when one of these ids is taken */
  async refuseTaken(taskIds: readonly string[]): Promise<void> {
    if (taskIds.length === 0 || this.detour !== null) return;
    try {
      await this.params.index.refuseTaken(taskIds);
    } catch (error) {
      throw error instanceof BrokerUnavailableError ? notSent(error, taskIds[0] ?? '', 'Nothing') : error;
    }
  }

  #writePlain({ target, args, options }: PlainCall, packed: string): Written {
    return this.#write({
      detour: null,
      target,
      args,
      packed,
      options: hasAny(options) ? options : NO_OPTIONS,
      headers: options.headers ?? NO_HEADERS,
      propagated: NOBODY,
      settled: NOTHING_SETTLED,
    });
  }

  /** The call as it is sent. */
  #write(outgoing: Outgoing): Written {
    const { params } = this;
    const { target } = outgoing;
    const now = params.clock.now();
    const call = this.#resolver.resolve(outgoing, now);
    const { place, tick, input, group, retryMs } = outgoing.settled;
    const queue = place ?? this.#resolver.placeOf(target, call.queue);
    const custom = tick?.taskId ?? call.taskId;
    const taskId = custom ?? params.ids.next(queue);
    const jobId =
      custom === undefined || queueOfGenerated(custom) === queue ? taskId : encodeCustomId(custom);
    const ignoreResult = call.ignoreResult ?? target.publish.ignoreResult;
    const unique = uniqueCall(outgoing, call);
    if (retryMs !== undefined && (custom !== undefined || unique !== undefined))
      checkRetry(retryMs, params.producer.budgetMs, target.name);
    const fields = {
      ...messageFields(outgoing, call, now, params.timezone),
      ...(ignoreResult && { ignore: true as const }),
      ...(jobId !== taskId && { id: taskId }),
      ...(unique !== undefined && { unique: unique.key }),
      ...(tick !== undefined && { tick: tick.addition }),
      ...(input !== undefined && { input }),
      ...(group !== undefined && { flow: group }),
      ...payloadFields(params.codec, outgoing, call, input === undefined),
    };
    const envelope: Envelope = {
      taskId,
      jobId,
      queue,
      name: target.name,
      data: writeMessage(storedArgs(params.codec, outgoing, call), fields),
      sentAt: now,
      delayMs: call.delayMs,
      priority: priorityOf(target, call),
      ...(outgoing.span !== undefined && { trace: outgoing.span.trace }),
      ...(outgoing.detour === null &&
        params.producer.replicated(call.acceptance) && { replicated: true as const }),
      ...(retryMs !== undefined && { retryMs }),
    };
    return { envelope, name: target.name, ignoreResult, fields, unique, custom: call.taskId };
  }

  #resultOf<R>({ envelope, name, ignoreResult, fields }: Written): AsyncResult<R> {
    const { taskId, queue, jobId } = envelope;
    const fresh = !ignoreResult && fields.expires === undefined && this.params.uncommitted !== true;
    return new AsyncResult<R>(this.params.results, taskId, {
      ref: { queue, id: jobId },
      fresh,
      name,
      ignoreResult,
    });
  }

  #deliver({ envelope, custom, fields }: Written): Promise<void> {
    const { producer, index, events } = this.params;
    const delivered =
      custom === undefined
        ? producer.send(envelope)
        : naming(
            custom,
            index.claim(custom, envelope, () => producer.send(envelope)),
          );
    return events.active ? reportSent(events, envelope, fields, delivered) : delivered;
  }

  /** The key that a unique call claims, with its policy; undefined for other calls. */
  async uniqueFor(
    target: CallTarget,
    args: readonly unknown[],
    options: CallOptions,
  ): Promise<UniqueCall | undefined> {
    const call = this.#resolver.resolve({ target, args, options }, this.params.clock.now());
    if ((call.unique === undefined ? target.publish.unique : call.unique) == null) return undefined;
    return uniqueCall(
      { target, args, packed: await packCall(this.params.codec, { target, args, options }) },
      call,
    );
  }

  /** The destination of a call: its queue, or its task's lane there. */
  placeFor(target: CallTarget, args: readonly unknown[], options: CallOptions): string {
    const { queue } = this.#resolver.resolve({ target, args, options }, this.params.clock.now());
    return this.#resolver.placeOf(target, queue);
  }

  async #learnClock(
    syncing: Promise<void>,
    { target, args, options }: PlainCall,
    retryMs?: number,
  ): Promise<void> {
    try {
      await learnClock(this.params, syncing, retryMs);
    } catch (error) {
      if (!(error instanceof BrokerUnavailableError)) throw error;
      const taskId = options.taskId ?? this.params.ids.next(this.placeFor(target, args, options));
      throw notSent(error, taskId, target.name);
    }
  }
}

const NOTHING_SETTLED: Decided = Object.freeze({});

/** Most plain calls written and sent at a time. */
const PIECE = 1_000;
const NOBODY: readonly string[] = Object.freeze([]);
function hasAny(options: object): boolean {
  for (const _ in options) return true;
  return false;
}
