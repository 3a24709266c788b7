/**
 * The engine of an app in a thread: every call is posted to the worker, which makes it on its own connection. A
 * thread must open no connection itself, so its tasks send and read alike on every broker, embedded ones included.
 */
import type {
  Broadcast,
  BullmqParts,
  DelayedJob,
  Engine,
  EngineKind,
  JobHead,
  JobRef,
  NewJob,
  Notices,
  Records,
  Replication,
  StoredJob,
  WorkflowRecords,
} from '../../broker/broker.js';
import type { CheckResult } from '../../broker/check-result.js';
import type { Places } from '../../broker/places.js';
import type { QueueAdmin } from '../../broker/queue-admin.js';
import type { RelayedJobs } from '../../broker/relayed-jobs.js';
import type { StepRecords } from '../../broker/steps.js';
import type { Streams } from '../../broker/streams.js';
import { CeleriacError } from '../../errors.js';
import type { BrokerFacts, EngineMethod, Request } from './messages.js';
import type { Rpc } from './rpc.js';

type Backend = Awaited<ReturnType<Engine['backend']>>;

export class RemoteBroker implements Engine {
  readonly kind: EngineKind;
  readonly address: string;
  readonly oneProcess: boolean;
  readonly records: Records;
  readonly flows: WorkflowRecords;
  readonly places: Places;
  readonly steps: StepRecords;
  readonly streams: Streams;
  /** The worker relays; a thread never does. */
  readonly relayed: RelayedJobs = {
    add: () => Promise.reject(notInThreads('relaying an outbox is')),
    seen: () => Promise.reject(notInThreads('relaying an outbox is')),
    release: () => Promise.reject(notInThreads('relaying an outbox is')),
  };
  readonly signals: RemoteSignals;
  readonly queues: QueueAdmin;
  readonly broadcast: Broadcast;
  readonly replication?: Replication;
  #loading = true;
  #answers = 0;

  constructor(
    private readonly link: Rpc,
    { kind, address, oneProcess, ordered }: BrokerFacts,
    private readonly file: string,
  ) {
    this.kind = kind;
    this.address = address;
    this.oneProcess = oneProcess;
    const call = (method: EngineMethod, args: readonly unknown[]) =>
      this.#call(method, args) as Promise<never>;
    this.records = {
      create: (...args) => call('create', args),
      read: (...args) => call('read', args),
      replace: (...args) => call('replace', args),
      remove: (...args) => call('remove', args),
    };
    this.queues = farSide((method, args) => this.ask({ to: 'queues', method, args })) as QueueAdmin;
    this.places = farSide((method, args) => this.ask({ to: 'places', method, args })) as Places;
    this.steps = farSide((method, args) => this.ask({ to: 'steps', method, args })) as StepRecords;
    this.streams = farSide((method, args) => this.ask({ to: 'streams', method, args })) as Streams;
    this.broadcast = {
      publish: (texts) => call('broadcast', [texts]),
      subscribe: () => Promise.reject(notInThreads('app.events() is')),
      unsubscribe: () => undefined,
    };
    this.flows = {
      create: (...args) => call('flowCreate', args),
      write: (...args) => call('flowWrite', args),
      read: (...args) => call('flowRead', args),
      expire: (...args) => call('flowExpire', args),
      watch: (...args) => call('flowWatch', args),
      unwatch: (...args) => call('flowUnwatch', args),
      due: (...args) => call('flowDue', args),
      remove: (...args) => call('flowRemove', args),
    };
    if (kind !== 'postgres' && kind !== 'embedded')
      this.replication = {
        begin: () => call('replicationBegin', []),
        confirm: (...args) => call('replicationConfirm', args),
      };
    this.signals = new RemoteSignals(ordered, (method, topic) => this.#call(method, [topic]));
  }

  answers(): number {
    return this.#answers;
  }

  /** The module is loaded: from now on calls are passed to the worker. */
  loaded(): void {
    this.#loading = false;
  }

  async ready(): Promise<void> {
    await this.#call('ready', []);
  }

  async backend(queue: string): Promise<Backend> {
    return farSide((method, args) => this.ask({ to: 'backend', queue, method, args })) as Backend;
  }

  bullmq(): BullmqParts {
    throw notInThreads('app.worker() and app.bullmq() are');
  }

  readJobs(refs: readonly JobRef[]): Promise<(StoredJob | undefined)[]> {
    return this.#call('readJobs', [refs]) as Promise<(StoredJob | undefined)[]>;
  }

  readEnded(refs: readonly JobRef[]): Promise<boolean[]> {
    return this.#call('readEnded', [refs]) as Promise<boolean[]>;
  }

  readHeads(refs: readonly JobRef[]): Promise<(JobHead | undefined)[]> {
    return this.#call('readHeads', [refs]) as Promise<(JobHead | undefined)[]>;
  }

  readDelayed(queues: readonly string[], limit: number): Promise<DelayedJob[]> {
    return this.#call('readDelayed', [queues, limit]) as Promise<DelayedJob[]>;
  }

  amendData(ref: JobRef, was: string, data: object): Promise<boolean> {
    return this.#call('amendData', [ref, was, data]) as Promise<boolean>;
  }

  /** The worker manages deliveries. */
  async uncount(): Promise<void> {}

  async addTogether(jobs: readonly NewJob[]): Promise<void> {
    await this.#call('addTogether', [jobs]);
  }

  /** The worker does this. */
  async reclaim(): Promise<boolean> {
    return false;
  }

  serverTime(): Promise<number> {
    return this.#call('serverTime', []) as Promise<number>;
  }

  hold(): () => void {
    return () => undefined;
  }

  isUnavailable(error: unknown): boolean {
    return this.link.isUnavailable(error);
  }

  /** The worker of a thread is always connected by now. */
  wasThere(): boolean {
    return true;
  }

  async examine(): Promise<CheckResult[]> {
    throw new CeleriacError('app.doctor() in a task with pool: \'threads\': run "celeriac doctor" instead.');
  }

  async examineAddresses(): Promise<CheckResult[]> {
    return [];
  }

  async migrate(): Promise<void> {
    throw new CeleriacError(
      'app.migrate() in a task with pool: \'threads\': run "celeriac migrate" instead.',
    );
  }

  async close(): Promise<void> {}

  #call(method: EngineMethod, args: readonly unknown[]): Promise<unknown> {
    return this.ask({ to: 'engine', method, args });
  }

  /** Asks the worker, once the module is loaded. */
  async ask(request: Request): Promise<unknown> {
    if (!this.#loading)
      return this.link.ask(request).finally(() => {
        this.#answers++;
      });
    throw new CeleriacError(
      `${this.file} asks something of the broker while it is loaded (a call, a result). A worker's threads load it too, ` +
        "so every thread would do that again. Move it into a function, or behind: if (isMainThread), from 'node:worker_threads'.",
    );
  }
}

/** A proxy on which every method exists, except `then`: the worker refuses unknown methods. */
function farSide(ask: (method: string, args: readonly unknown[]) => Promise<unknown>): object {
  const method = (name: string) => (name === 'then' ? undefined : (...args: unknown[]) => ask(name, args));
  return new Proxy({}, { get: (_, name) => method(String(name)) });
}

function notInThreads(what: string): CeleriacError {
  return new CeleriacError(
    `${what} not available in a task with pool: 'threads'. Use them from a task with pool: 'async', or from outside ` +
      'the task.',
  );
}

/** Topics this thread subscribes to, through the worker. */
export class RemoteSignals implements Notices {
  readonly #listeners = new Map<string, Set<() => void>>();
  readonly #gapListeners: (() => void)[] = [];

  constructor(
    readonly ordered: boolean,
    private readonly post: (
      method: 'notify' | 'subscribe' | 'unsubscribe',
      topic: string,
    ) => Promise<unknown>,
  ) {}

  notify(topic: string): void {
    this.post('notify', topic).catch(() => undefined); // best effort, as everywhere: sweeps find what is lost
  }

  hint(topic: string): void {
    this.notify(topic);
  }

  async subscribe(topic: string, listener: () => void): Promise<void> {
    const listeners = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, listeners.add(listener));
    await this.post('subscribe', topic);
  }

  unsubscribe(topic: string, listener: () => void): void {
    const listeners = this.#listeners.get(topic);
    if (listeners === undefined || !listeners.delete(listener) || listeners.size > 0) return;
    this.#listeners.delete(topic);
    this.post('unsubscribe', topic).catch(() => undefined); // a notice without listeners is dropped
  }

  onGap(listener: () => void): void {
    this.#gapListeners.push(listener);
  }

  /** No-op: the worker's subscriptions know nothing of a thread's own ids. */
  expect(): void {}

  surelyUnnotified(): boolean {
    return false;
  }

  noticed(topic: string): void {
    for (const listener of this.#listeners.get(topic) ?? []) listener();
  }

  gap(): void {
    for (const listener of this.#gapListeners) listener();
  }
}
