/**
 * Turns a call into a message and sends it: options and routes, arguments checked and encoded, middleware, an id, and
 * off to the producer. A plain call does all of it synchronously, so that calls made together leave together.
 */
import type { BrokerClock } from '../broker/clock.js';
import type { Engine } from '../broker/engine.js';
import type { IdIndex } from '../broker/id-index.js';
import { encodeCustomId, type IdSource, queueOfGenerated } from '../broker/ids.js';
import { MESSAGE_VERSION, type Message } from '../broker/message.js';
import type { Envelope, Producer } from '../broker/producer.js';
import { BrokerUnavailableError } from '../errors.js';
import { type CallOptions, type ResolvedCall, resolveCall, toExpiry } from '../options.js';
import { AsyncResult, type ResultSource } from '../results/async-result.js';
import type { Router } from '../routes.js';
import { currentTask, propagatedHeaders } from '../tasks/context.js';
import type { PublishContext, PublishMiddleware } from '../tasks/middleware.js';
import type { CallTarget } from '../tasks/registry.js';
import { isPlainText } from '../tasks/text-escape.js';
import type { WireCodec } from '../tasks/wire-codec.js';

/** What sending needs of its app. */
export interface SenderParams {
  readonly engine: Engine;
  readonly clock: BrokerClock;
  readonly ids: IdSource;
  readonly index: IdIndex;
  readonly producer: Producer;
  readonly results: ResultSource;
  readonly middleware: readonly PublishMiddleware[];
  readonly router: Router | undefined;
  readonly defaultQueue: string;
  readonly codec: WireCodec;
}

export class Sender {
  constructor(private readonly params: SenderParams) {}

  /** Sends one task. Every wrong call rejects; nothing is sent then. */
  async send<R>(
    target: CallTarget,
    args: readonly unknown[],
    options: CallOptions = NO_OPTIONS,
  ): Promise<AsyncResult<R>> {
    // The first call learns the broker's clock, and with it whether the broker is there at all.
    const syncing = this.params.clock.sync();
    if (syncing !== undefined) await this.#learnClock(syncing, target, options);
    const checking = target.checker?.check(args);
    if (checking !== undefined) await checking;
    const headers: Record<string, unknown> = { ...options.headers };
    if (this.params.middleware.length === 0) return this.#publish(target, args, options, headers, []);
    return this.#throughMiddleware(target, args, options, headers);
  }

  async #throughMiddleware<R>(
    target: CallTarget,
    args: readonly unknown[],
    options: CallOptions,
    headers: Record<string, unknown>,
  ): Promise<AsyncResult<R>> {
    const propagated: string[] = [];
    let result: AsyncResult<R> | undefined;
    const context: PublishContext = {
      name: target.name,
      args,
      headers,
      options,
      propagate: (name) => void propagated.push(name),
    };
    const step = async (index: number): Promise<unknown> => {
      const next = this.params.middleware[index];
      if (next !== undefined) return next(context, () => step(index + 1));
      result = await this.#publish<R>(target, args, options, headers, propagated);
      return result;
    };
    await step(0);
    if (result !== undefined) return result;
    throw new TypeError(`A publish middleware did not call next(), so ${target.name} was not sent.`);
  }

  async #publish<R>(
    target: CallTarget,
    args: readonly unknown[],
    options: CallOptions,
    headers: Record<string, unknown>,
    propagated: readonly string[],
  ): Promise<AsyncResult<R>> {
    const { params } = this;
    const now = params.clock.now();
    const call = this.#resolve(target, args, options, now);
    const queue = call.queue ?? target.publish.queue ?? params.defaultQueue;
    const custom = call.taskId;
    const taskId = custom ?? params.ids.next(queue);
    const jobId =
      custom === undefined || queueOfGenerated(custom) === queue ? taskId : encodeCustomId(custom);
    const ignoreResult = call.ignoreResult ?? target.publish.ignoreResult;
    const message = this.#message(target, args, call, now, inherit(headers, propagated));
    // For those who read the message; where the text cannot be written, the job's id still tells it.
    const spelled = jobId !== taskId && isPlainText(taskId) && { id: taskId };
    const data = params.codec.stringify(
      { ...message, ...(ignoreResult && { ignore: true }), ...spelled },
      target.name,
    );
    const envelope: Envelope = {
      taskId,
      jobId,
      queue,
      name: target.name,
      data,
      sentAt: now,
      delayMs: call.delayMs,
      priority: call.priority ?? target.publish.priority,
    };
    if (custom === undefined) await params.producer.send(envelope);
    else await params.index.claim(custom, queue, () => params.producer.send(envelope));
    return new AsyncResult<R>(params.results, taskId, {
      ref: { queue, id: jobId },
      name: target.name,
      ignoreResult,
    });
  }

  #message(
    target: CallTarget,
    args: readonly unknown[],
    call: ResolvedCall,
    now: number,
    headers: Pick<Message, 'headers' | 'propagate' | 'root' | 'parent'>,
  ): Message {
    const expires = call.expiresAt ?? expiryOf(target, now);
    return {
      v: MESSAGE_VERSION,
      args: this.params.codec.encodeArgs(args, target),
      ...headers,
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

  /** The call's own options over those of its route. */
  #resolve(target: CallTarget, args: readonly unknown[], options: CallOptions, now: number): ResolvedCall {
    const where = `${target.name}.applyAsync`;
    const { router } = this.params;
    if (router === undefined && options === NO_OPTIONS) return NOTHING_SPECIAL;
    const routed = router?.(target.name, args, options);
    const fromRoute = typeof routed === 'string' ? { queue: routed } : routed;
    return resolveCall({ ...fromRoute, ...options }, now, where);
  }

  async #learnClock(syncing: Promise<void>, target: CallTarget, options: CallOptions): Promise<void> {
    try {
      await syncing;
    } catch (error) {
      if (!(error instanceof BrokerUnavailableError)) throw error;
      const taskId =
        options.taskId ??
        this.params.ids.next(options.queue ?? target.publish.queue ?? this.params.defaultQueue);
      throw new BrokerUnavailableError(
        `${error.message} ${target.name} was not sent; calling again with { taskId: error.taskId } is safe.`,
        { address: error.address, taskId, cause: error.cause },
      );
    }
  }
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
    ...(Object.keys(headers).length > 0 && { headers }),
    ...(passing.size > 0 && { propagate: [...passing] }),
  };
}
