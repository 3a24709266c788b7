/**
 * The worker's side of a thread's engine: makes the calls that a thread requests, and subscribes on its behalf. One
 * per thread; its subscriptions end with the thread.
 */
import type { Engine, JobRef, NewJob, WorkflowRecords } from '../../broker/broker.js';
import { CeleriacError } from '../../errors.js';
import type { EngineMethod, Request } from './messages.js';

const FLOW_METHODS = {
  flowCreate: 'create',
  flowWrite: 'write',
  flowRead: 'read',
  flowExpire: 'expire',
  flowWatch: 'watch',
  flowUnwatch: 'unwatch',
  flowDue: 'due',
  flowRemove: 'remove',
} as const satisfies Partial<Record<EngineMethod, keyof WorkflowRecords>>;

type EngineRequest = Exclude<Request, { to: 'progress' | 'event' | 'control' }>;

export class BrokerServer {
  readonly #topics = new Map<string, () => void>();

  constructor(
    private readonly engine: Engine,
    private readonly onNotice: (topic: string) => void,
  ) {}

  async answer(request: EngineRequest): Promise<unknown> {
    if (request.to === 'engine') return this.#call(request.method, request.args);
    const target: object =
      request.to === 'backend' ? await this.engine.backend(request.queue) : this.engine[request.to];
    const method: unknown = Reflect.get(target, request.method);
    if (typeof method !== 'function') {
      throw new CeleriacError(`The broker's queue has no "${request.method}" that a thread could call.`);
    }
    return Reflect.apply(method, target, request.args);
  }

  /** Ends the thread's subscriptions. */
  close(): void {
    for (const [topic, listener] of this.#topics) this.engine.signals.unsubscribe(topic, listener);
    this.#topics.clear();
  }

  #call(method: EngineMethod, args: readonly unknown[]): unknown {
    const { engine } = this;
    switch (method) {
      case 'ready':
        return engine.ready();
      case 'serverTime':
        return engine.serverTime();
      case 'readJobs':
        return engine.readJobs(args[0] as readonly JobRef[]);
      case 'readEnded':
        return engine.readEnded(args[0] as readonly JobRef[]);
      case 'readHeads':
        return engine.readHeads(args[0] as readonly JobRef[]);
      case 'readDelayed':
        return engine.readDelayed(args[0] as readonly string[], Number(args[1]));
      case 'amendData':
        return engine.amendData(args[0] as JobRef, String(args[1]), args[2] as object);
      case 'addTogether':
        return engine.addTogether(args[0] as readonly NewJob[]);
      case 'replicationBegin':
        return engine.replication?.begin();
      case 'replicationConfirm':
        return engine.replication?.confirm(String(args[0]), Number(args[1]));
      case 'flowCreate':
      case 'flowWrite':
      case 'flowRead':
      case 'flowExpire':
      case 'flowWatch':
      case 'flowUnwatch':
      case 'flowDue':
      case 'flowRemove':
        return Reflect.apply(engine.flows[FLOW_METHODS[method]], engine.flows, args);
      case 'create':
      case 'read':
      case 'replace':
      case 'remove':
        return Reflect.apply(engine.records[method], engine.records, args);
      case 'broadcast':
        return engine.broadcast.publish(args[0] as readonly string[]);
      case 'notify':
        return engine.signals.notify(String(args[0]));
      case 'subscribe':
        return this.#subscribe(String(args[0]));
      case 'unsubscribe':
        return this.#unsubscribe(String(args[0]));
    }
  }

  #subscribe(topic: string): Promise<void> {
    const listener = this.#topics.get(topic) ?? (() => this.onNotice(topic));
    this.#topics.set(topic, listener);
    return this.engine.signals.subscribe(topic, listener);
  }

  #unsubscribe(topic: string): void {
    const listener = this.#topics.get(topic);
    if (listener === undefined) return;
    this.#topics.delete(topic);
    this.engine.signals.unsubscribe(topic, listener);
  }
}
