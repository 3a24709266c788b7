/**
 * Turns a call into a message and sends it: options and routes, arguments checked and encoded, middleware, an id, and
 * off to the producer. A plain call does all of it synchronously, so that calls made together leave together.
 */
import type { BrokerClock } from '../broker/clock.js';
import type { Engine } from '../broker/engine.js';
import type { IdIndex } from '../broker/id-index.js';
import { encodeCustomId, type IdSource, queueOfGenerated } from '../broker/ids.js';
import { laneOf, queueOfLane } from '../broker/lanes.js';
import { type FlowInput, type Message, writeMessage } from '../broker/message.js';
import type { Envelope, Producer } from '../broker/producer.js';
import type { OpenSpan, SpanAttributes, Tracing } from '../broker/tracing.js';
import { BrokerUnavailableError, CeleriacError } from '../errors.js';
import { type CallOptions, type ResolvedCall, resolveCall } from '../options/call-options.js';
import { toExpiry } from '../options/checks.js';
import type { Router } from '../options/routes.js';
import { AsyncResult, type ResultSource } from '../results/async-result.js';
import { currentTask, propagatedHeaders } from '../tasks/context.js';
import { checkJson } from '../tasks/json-check.js';
import type { PublishContext, PublishMiddleware } from '../tasks/middleware.js';
import type { CallTarget } from '../tasks/registry.js';
import type { WireCodec } from '../tasks/wire-codec.js';
import { isPlainText } from '../text-escape.js';
import { type SendWatch, tellSent } from './send-watch.js';
import { type UniqueCall, type UniqueCalls, uniqueCall } from './unique.js';

/** What sending needs of its app. */
export interface SenderParams {
  readonly engine: Engine;
  readonly clock: BrokerClock;
  readonly ids: IdSource;
  readonly index: IdIndex;
  readonly producer: Producer;
  readonly unique: UniqueCalls;
  readonly results: ResultSource;
  readonly middleware: readonly PublishMiddleware[];
  readonly router: Router | undefined;
  readonly defaultQueue: string;
  readonly codec: WireCodec;
  readonly events: SendWatch;
  readonly tracing: Tracing | undefined;
}

/** Where calls go instead of the broker: they run in this process. */
export interface Detour {
  /** Whether publish middleware sees them. */
  readonly sends: boolean;
  run<R>(envelope: Envelope): Promise<AsyncResult<R>>;
  /** The result of a call that went this way, where it is kept. */
  find?<R>(taskId: string): AsyncResult<R> | undefined;
}

export class Sender {
  /** Where every call goes that does not say otherwise; `null`: to the broker. */
  detour: Detour | null = null;

  constructor(private readonly params: SenderParams) {}

  /** Sends one task. Every wrong call rejects; nothing is sent then. */
  async send<R>(
    target: CallTarget,
    args: readonly unknown[],
    options: CallOptions = NO_OPTIONS,
    settled: Settled = NOTHING_SETTLED,
  ): Promise<AsyncResult<R>> {
    const { detour = this.detour } = settled;
    const packing = this.params.codec.packArgs(args, settled.input ? unchecked(target) : target);
    const packed = typeof packing === 'string' ? packing : await packing;
    // The first call learns the broker's clock, and with it whether the broker is there at all.
    const syncing = detour === null ? this.params.clock.sync() : undefined;
    if (syncing !== undefined) await this.#learnClock(syncing, target, options);
    if (this.params.events.settling !== undefined) await this.params.events.settling;
    const outgoing: Outgoing = {
      detour,
      target,
      args,
      packed,
      options,
      headers: { ...options.headers },
      propagated: [],
      settled,
    };
    const { tracing } = this.params;
    if (tracing === undefined || detour !== null) return this.#pass(outgoing);
    const plan = { name: target.name, kind: 'producer' } as const;
    return tracing.span(plan, (span) => this.#pass({ ...outgoing, span }));
  }

  #pass<R>(outgoing: Outgoing): Promise<AsyncResult<R>> {
    const unseen = this.params.middleware.length === 0 || outgoing.detour?.sends === false;
    return unseen
      ? this.#publish(outgoing)
      : this.#throughMiddleware(outgoing, () => this.#publish<R>(outgoing));
  }

  /**
   * Reads a call that a workflow will make: as `send`, with the publish middleware around it, but nothing is sent.
   * @param complete all arguments are there, so they are checked; else the rest comes from the step before
   */
  async prepare(
    target: CallTarget,
    args: readonly unknown[],
    options: CallOptions,
    complete: boolean,
  ): Promise<PreparedCall> {
    const packed = await this.params.codec.packArgs(args, complete ? target : unchecked(target));
    const outgoing: Outgoing = {
      detour: null,
      target,
      args,
      packed,
      options,
      headers: { ...options.headers },
      propagated: [],
      settled: NOTHING_SETTLED,
    };
    if (this.params.middleware.length === 0) return this.#prepared(outgoing);
    return this.#throughMiddleware(outgoing, async () => this.#prepared(outgoing));
  }

  #prepared(outgoing: Outgoing): PreparedCall {
    const { target } = outgoing;
    const now = this.params.clock.now();
    const call = this.#resolve(outgoing, now);
    const { expires: expiresAt, eta: _, ...fields } = messageFields(outgoing, call, now);
    const later = messageFields(outgoing, this.#resolve(outgoing, now + 1000), now + 1000);
    const ignoreResult = call.ignoreResult ?? target.publish.ignoreResult;
    return {
      packed: outgoing.packed,
      queue: this.#placeOf(target, call.queue),
      taskId: call.taskId,
      priority: call.priority ?? target.publish.priority,
      trace: this.params.tracing?.current(),
      fields: {
        ...fields,
        ...(ignoreResult && { ignore: true as const }),
        ...(target.each && { each: true as const }),
      },
      // A duration moves with the clock, a moment does not.
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

  async #throughMiddleware<R>(outgoing: Outgoing, last: () => Promise<R>): Promise<R> {
    const { target, args, options, headers, propagated } = outgoing;
    let result: { readonly value: R } | undefined;
    const propagate = (header: string) => void propagated.push(header);
    const context: PublishContext = { name: target.name, args, headers, options, propagate };
    const step = async (index: number): Promise<unknown> => {
      const next = this.params.middleware[index];
      if (next !== undefined) return next(context, () => step(index + 1));
      result = { value: await last() };
      return result.value;
    };
    await step(0);
    if (result !== undefined) return result.value;
    throw new CeleriacError(`A publish middleware did not call next(), so ${target.name} was not sent.`);
  }

  async #publish<R>(outgoing: Outgoing): Promise<AsyncResult<R>> {
    const { params } = this;
    const { target } = outgoing;
    const now = params.clock.now();
    const call = this.#resolve(outgoing, now);
    const { place, tick, input } = outgoing.settled;
    const queue = place ?? this.#placeOf(target, call.queue);
    const custom = tick?.taskId ?? call.taskId;
    const taskId = custom ?? params.ids.next(queue);
    const jobId =
      custom === undefined || queueOfGenerated(custom) === queue ? taskId : encodeCustomId(custom);
    const ignoreResult = call.ignoreResult ?? target.publish.ignoreResult;
    const unique = uniqueCall(outgoing, call);
    const fields = {
      ...messageFields(outgoing, call, now),
      ...(ignoreResult && { ignore: true as const }),
      ...(target.each && { each: true as const }),
      // For those who read the message; where its text cannot be written, the job's id still tells it.
      ...(jobId !== taskId && isPlainText(taskId) && { id: taskId }),
      ...(unique !== undefined && { unique: unique.key }),
      ...(tick !== undefined && { tick: tick.addition }),
      ...(input !== undefined && { input }),
    };
    const envelope: Envelope = {
      taskId,
      jobId,
      queue,
      name: target.name,
      data: writeMessage(outgoing.packed, fields),
      sentAt: now,
      delayMs: call.delayMs,
      priority: call.priority ?? target.publish.priority,
      ...(outgoing.span !== undefined && { trace: outgoing.span.trace }),
    };
    outgoing.span?.set(sendAttributes(envelope));
    if (outgoing.detour !== null) return outgoing.detour.run<R>(envelope);
    const fresh = !ignoreResult && fields.expires === undefined;
    const hints = { name: target.name, ignoreResult };
    if (unique !== undefined) {
      const holder = await params.unique.send(unique, envelope, () =>
        this.#deliver(envelope, call.taskId, fields),
      );
      if (holder !== undefined)
        return new AsyncResult<R>(params.results, holder.taskId, { ref: holder.job, ...hints });
    } else await this.#deliver(envelope, call.taskId, fields);
    return new AsyncResult<R>(params.results, taskId, { ref: { queue, id: jobId }, fresh, ...hints });
  }

  #deliver(envelope: Envelope, custom: string | undefined, fields: MessageFields): Promise<void> {
    const { producer, index, events } = this.params;
    const delivered =
      custom === undefined
        ? producer.send(envelope)
        : index.claim(custom, envelope.queue, () => producer.send(envelope));
    return events.active ? tellSent(events, envelope, fields, delivered) : delivered;
  }

  /** The key a call takes, and what is to be done when another has it; undefined for a call that may be made twice. */
  async uniqueFor(
    target: CallTarget,
    args: readonly unknown[],
    options: CallOptions,
  ): Promise<UniqueCall | undefined> {
    const call = this.#resolve({ target, args, options }, this.params.clock.now());
    if ((call.unique === undefined ? target.publish.unique : call.unique) == null) return undefined;
    return uniqueCall({ target, args, packed: await this.params.codec.packArgs(args, target) }, call);
  }

  /** Where a call would go: its queue, or its task's lane there. */
  placeFor(target: CallTarget, args: readonly unknown[], options: CallOptions): string {
    const { queue } = this.#resolve({ target, args, options }, this.params.clock.now());
    return this.#placeOf(target, queue);
  }

  /** The queue a task goes to, or its lane there. */
  #placeOf(target: CallTarget, chosen: string | undefined): string {
    const queue = chosen ?? target.publish.queue ?? this.params.defaultQueue;
    return target.lane ? laneOf(queue, target.name) : queue;
  }

  /** The call's own options over those of its route. */
  #resolve(
    { target, args, options }: Pick<Outgoing, 'target' | 'args' | 'options'>,
    now: number,
  ): ResolvedCall {
    const { router } = this.params;
    if (router === undefined && options === NO_OPTIONS) return NOTHING_SPECIAL;
    const routed = router?.(target.name, args, options);
    const fromRoute = typeof routed === 'string' ? { queue: routed } : routed;
    return resolveCall({ ...fromRoute, ...options }, now, `${target.name}.applyAsync`);
  }

  async #learnClock(syncing: Promise<void>, target: CallTarget, options: CallOptions): Promise<void> {
    try {
      await Promise.all([syncing, this.params.events.meet()]);
    } catch (error) {
      if (!(error instanceof BrokerUnavailableError)) throw error;
      const taskId = options.taskId ?? this.params.ids.next(this.#placeOf(target, options.queue));
      throw new BrokerUnavailableError(
        `${error.message} ${target.name} was not sent; calling again with { taskId: error.taskId } is safe.`,
        { address: error.address, taskId, cause: error.cause },
      );
    }
  }
}

/** What a message says beside its arguments. */
type MessageFields = Omit<Message, 'v' | 'args'>;
/** A call that is made later, by whoever finishes the step before it. */
export interface PreparedCall {
  /** The trace it was made in, where somebody traces. */
  readonly trace: string | undefined;
  /** The encoded arguments, as JSON text. */
  readonly packed: string;
  /** The queue, or the task's lane there. */
  readonly queue: string;
  readonly taskId: string | undefined;
  readonly priority: number;
  readonly fields: Omit<Message, 'v' | 'args' | 'expires' | 'eta'>;
  readonly expires: Instant | undefined;
  readonly due: Instant | undefined;
}

/** A moment, or one that counts from when its turn comes. */
export type Instant = { readonly at: number } | { readonly inMs: number };

/** A call on its way out. */
interface Outgoing {
  readonly detour: Detour | null;
  readonly target: CallTarget;
  readonly args: readonly unknown[];
  /** The encoded arguments, as JSON text. */
  readonly packed: string;
  readonly options: CallOptions;
  readonly headers: Record<string, unknown>;
  readonly propagated: string[];
  readonly settled: Settled;
  /** Where somebody traces. */
  readonly span?: OpenSpan;
}

/** What has been decided about a call before it is sent. */
export interface Settled {
  /** Where it goes instead of the broker; `null`: nowhere else. Default: as every call. */
  readonly detour?: Detour | null;
  /** The queue or lane it goes to. */
  readonly place?: string;
  /** What stands before its arguments. */
  readonly input?: FlowInput;
  /** A schedule's tick: its task's id is the same whoever sends it, and sending it again adds nothing. */
  readonly tick?: { readonly taskId: string; readonly addition: string };
}

/** For arguments that are not all there are. */
const unchecked = (target: CallTarget): CallTarget => ({ ...target, checker: undefined });

const NOTHING_SETTLED: Settled = Object.freeze({});

/** What the message says beside the arguments; what a call does not use is absent. */
function messageFields(outgoing: Outgoing, call: ResolvedCall, now: number): MessageFields {
  const expires = call.expiresAt ?? expiryOf(outgoing.target, now);
  return {
    ...inherit(outgoing.headers, outgoing.propagated),
    ...(expires !== undefined && { expires }),
    ...(call.etaAt !== undefined && { eta: call.etaAt }),
    ...(call.softTimeLimitMs !== undefined && { soft: call.softTimeLimitMs }),
    ...(call.timeLimitMs !== undefined && { hard: call.timeLimitMs }),
    ...(call.maxRetries !== undefined && {
      retries: Number.isFinite(call.maxRetries) ? call.maxRetries : null,
    }),
    ...(call.shadow !== undefined && { shadow: call.shadow }),
  };
}

function sendAttributes({ taskId, name, queue }: Envelope): SpanAttributes {
  return {
    'messaging.system': 'celeriac',
    'messaging.operation.type': 'send',
    'messaging.destination.name': queueOfLane(queue),
    'messaging.message.id': taskId,
    'celeriac.task.name': name,
  };
}

/** @throws {NotSerializableError} for what JSON would change */
function checkedHeaders(headers: Record<string, unknown>): Record<string, unknown> {
  return checkJson(headers, 'headers').value as Record<string, unknown>;
}

const NO_OPTIONS: CallOptions = Object.freeze({});
const NOTHING_SPECIAL: ResolvedCall = Object.freeze({
  queue: undefined,
  priority: undefined,
  expiresAt: undefined,
  delayMs: 0,
  etaAt: undefined,
  ignoreResult: undefined,
  taskId: undefined,
  headers: undefined,
  maxRetries: undefined,
  softTimeLimitMs: undefined,
  timeLimitMs: undefined,
  shadow: undefined,
  unique: undefined,
});

function expiryOf(target: CallTarget, now: number): number | undefined {
  const { expires } = target.publish;
  return expires === undefined ? undefined : toExpiry(expires, now, `task "${target.name}": expires`);
}

/** What a call made inside a task takes over from it: its place in the tree, and headers marked as propagating. */
function inherit(
  own: Record<string, unknown>,
  propagated: readonly string[],
): Pick<Message, 'headers' | 'propagate' | 'root' | 'parent'> {
  const request = currentTask()?.request;
  const passing = new Set(propagated);
  const headers = { ...own };
  for (const name of propagatedHeaders()) {
    passing.add(name);
    if (request !== undefined && !(name in headers)) headers[name] = request.headers[name];
  }
  return {
    ...(request !== undefined && { root: request.rootId, parent: request.id }),
    ...(Object.keys(headers).length > 0 && { headers: checkedHeaders(headers) }),
    ...(passing.size > 0 && { propagate: [...passing] }),
  };
}
