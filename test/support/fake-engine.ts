/** An engine of maps for tests of what is decided above it: jobs, records and workflows, and every call counted. */

import {
  type Engine,
  HEAD,
  type JobRef,
  PLAN,
  type StoredJob,
  type WorkflowWrite,
} from '#src/broker/broker.js';
import type { BrokerClock } from '#src/broker/clock.js';
import type { TaskLookup } from '#src/coordination/task-record.js';
import { ModelBroker } from './flow-model.js';

export interface FakeEngine {
  readonly engine: Engine;
  /** Tasks that are their jobs and no more. */
  readonly tasks: TaskLookup;
  readonly broker: ModelBroker;
  /** How long workflows were last given to live, ms. */
  readonly lives: Map<string, number>;
  /** How often each method was called. */
  readonly calls: Map<string, number>;
  /** Called before each call, and may change what is there. */
  before: (method: string) => void;
}

/** A clock that stands. */
export function clockAt(now: number): BrokerClock {
  return { now: () => now, sync: () => undefined } as unknown as BrokerClock;
}

export function fakeEngine(): FakeEngine {
  const broker = new ModelBroker();
  const calls = new Map<string, number>();
  const lives = new Map<string, number>();
  const fake: FakeEngine = {
    engine: undefined as never,
    tasks: { read: (refs) => fake.engine.readJobs(refs) },
    broker,
    calls,
    lives,
    before: () => undefined,
  };
  const called = async <R>(method: string, body: () => R): Promise<R> => {
    calls.set(method, (calls.get(method) ?? 0) + 1);
    // As over a connection: what is asked in one turn is answered in a later one.
    await new Promise((resolve) => setImmediate(resolve));
    fake.before(method);
    return body();
  };
  const backend = {
    remove: (id: string) => called('remove', () => void broker.jobs.delete(id)),
    promote: () => called('promote', () => undefined),
  };
  const engine = {
    answers: () => 0,
    hold: () => () => undefined,
    isUnavailable: () => false,
    backend: async () => backend,
    readJobs: (refs: readonly JobRef[]) =>
      called('readJobs', () => refs.map(({ id }) => broker.jobs.get(id))),
    amendData: ({ id }: JobRef, was: string, data: object) =>
      called('amendData', () => {
        if (broker.jobs.get(id)?.data !== was) return false;
        broker.change(id, { data: JSON.stringify(data) });
        return true;
      }),
    streams: { remove: async () => undefined },
    signals: { ordered: true, notify: () => undefined, hint: () => undefined },
    records: {
      create: (key: string, value: string) =>
        called('records.create', () => {
          if (broker.records.has(key)) return false;
          broker.records.set(key, { value, version: 1 });
          return true;
        }),
      read: (keys: readonly string[]) =>
        called('records.read', () => keys.map((key) => broker.records.get(key))),
      replace: (key: string, version: number, value: string) =>
        called('records.replace', () => {
          if (broker.records.get(key)?.version !== version) return false;
          broker.records.set(key, { value, version: version + 1 });
          return true;
        }),
      remove: (key: string, version?: number) =>
        called('records.remove', () => {
          if (version !== undefined && broker.records.get(key)?.version !== version) return false;
          return broker.records.delete(key);
        }),
    },
    flows: {
      create: (flow: string, plan: string) =>
        called('flows.create', () => {
          if (broker.flows.has(flow)) return false;
          broker.flows.set(flow, new Map(Object.entries({ [HEAD]: '1', [PLAN]: plan })));
          return true;
        }),
      write: (flow: string, writes: readonly WorkflowWrite[]) =>
        called('flows.write', () => broker.write(flow, writes)),
      read: (wanted: readonly { flow: string; fields: readonly string[] }[]) =>
        called('flows.read', () =>
          wanted.map(({ flow, fields }) => fields.map((field) => broker.flows.get(flow)?.get(field))),
        ),
      watch: async () => undefined,
      unwatch: async () => undefined,
      expire: (flow: string, ttlMs: number) => called('flows.expire', () => void lives.set(flow, ttlMs)),
      remove: (flow: string) => called('flows.remove', () => void broker.flows.delete(flow)),
    },
  };
  return Object.assign(fake, { engine: engine as unknown as Engine });
}

/** A job as it waits. */
export function waitingJob(id: string, fields: Partial<StoredJob> = {}): StoredJob {
  return {
    kind: 'job',
    id,
    queue: 'q',
    name: 'task',
    data: JSON.stringify({ v: 1, args: [] }),
    progress: undefined,
    returnvalue: undefined,
    failedReason: undefined,
    stack: undefined,
    priority: 0,
    sentAt: 1000,
    delayMs: 0,
    startedAt: undefined,
    doneAt: undefined,
    retries: 0,
    deliveries: 0,
    running: false,
    worker: undefined,
    ...fields,
  };
}
