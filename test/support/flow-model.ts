/**
 * The broker as two maps, and processes on it that can be killed at any single one of their writes: what workflows do is
 * the real code (plans, launching, progress, reading), what BullMQ and the servers do is a few lines here. It runs
 * thousands of workflows a minute, with a death at each place there is.
 */

import {
  type Engine,
  HEAD,
  type JobRef,
  PLAN,
  REVOKED,
  type StoredJob,
  type StoredRecord,
  type WorkflowRecords,
  type WorkflowWrite,
} from '#src/broker/broker.js';
import type { BrokerClock } from '#src/broker/clock.js';
import type { PreparedCall } from '#src/calls/call-stages.js';
import type { Sender } from '#src/calls/sender.js';
import { NO_CALLBACKS, Signature } from '#src/canvas/signature.js';
import type { Composable } from '#src/canvas/typing.js';
import type { PlainSource } from '#src/canvas/workflow/results.js';
import { decodeInputs } from '#src/canvas/workflow/values.js';
import { Workflows } from '#src/canvas/workflow/workflows.js';
import { TaskIdIndex } from '#src/coordination/task-id-index.js';
import { type IdSource, taskIdOfJob } from '#src/protocol/ids.js';
import { readMessage } from '#src/protocol/message.js';
import { ErrorClasses } from '#src/protocol/wire-error.js';
import type { Delivery } from '#src/queue/delivery.js';
import { Producer } from '#src/queue/producer.js';
import { failureText } from '#src/results/failure-text.js';
import { derive, type Snapshot } from '#src/results/snapshot.js';
import { TaskReader } from '#src/results/task-reader.js';
import type { CallTarget } from '#src/tasks/registry.js';
import { decodeResult, encodeResult } from '#src/tasks/serializer.js';
import type { Outcome } from '#src/worker/run/outcome.js';
import { WorkflowSteps } from '#src/worker/workflow/step.js';

const QUEUE = 'q';
const LONG_MS = 24 * 3_600_000;

/** What is in the broker. */
export class ModelBroker {
  readonly jobs = new Map<string, StoredJob>();
  readonly flows = new Map<string, Map<string, string>>();
  readonly records = new Map<string, StoredRecord>();

  /** The jobs that wait for a worker, in the order they were sent. */
  waiting(): StoredJob[] {
    return [...this.jobs.values()].filter((job) => job.doneAt === undefined && !job.running);
  }

  /** Adds a job unless it is there. */
  add({
    id = '',
    name,
    data,
    timestamp,
  }: {
    id?: string;
    name: string;
    data: string;
    timestamp: number;
  }): void {
    if (this.jobs.has(id)) return;
    this.jobs.set(id, { ...BLANK, id, name, data, sentAt: timestamp });
  }

  change(id: string, fields: Partial<StoredJob>): void {
    const job = this.jobs.get(id);
    if (job !== undefined) this.jobs.set(id, { ...job, ...fields });
  }

  /** As the scripts of the engines do. */
  write(flow: string, writes: readonly WorkflowWrite[]): ReturnType<WorkflowRecords['write']> {
    const record = this.flows.get(flow);
    if (record?.has(HEAD) !== true) return Promise.resolve(undefined);
    const revoked = record.get(REVOKED);
    const number = (field: string) => Number(record.get(field) ?? 0);
    const rows = writes.map(({ field, value, counter }) => {
      const before = record.get(field);
      const fresh = revoked === undefined && before === undefined;
      if (fresh) record.set(field, value);
      if (fresh && counter !== undefined) record.set(counter, `${number(counter) + 1}`);
      const counted = counter === undefined ? [0, 0] : [number(counter), number(`${counter}+`)];
      return { before, count: counted[0] ?? 0, extra: counted[1] ?? 0 };
    });
    return Promise.resolve({ revoked, rows });
  }
}

const BLANK: StoredJob = {
  kind: 'job',
  id: '',
  queue: QUEUE,
  name: '',
  data: '',
  progress: undefined,
  returnvalue: undefined,
  failedReason: undefined,
  stack: undefined,
  priority: 0,
  sentAt: 0,
  delayMs: 0,
  startedAt: undefined,
  doneAt: undefined,
  retries: 0,
  deliveries: 0,
  running: false,
  worker: undefined,
};

/** Decides how many turns of the microtask queue each operation takes, so that what runs together interleaves. */
export type Turns = () => number;

/** What a process may still do: it dies at its `dieAt`th write, which is not made, and nothing of it goes on. */
export class Life {
  writes = 0;
  dead = false;
  #died: () => void = () => undefined;
  readonly died = new Promise<void>((resolve) => {
    this.#died = resolve;
  });

  constructor(
    private readonly turns: Turns,
    private readonly dieAt = Number.POSITIVE_INFINITY,
  ) {}

  async write<R>(effect: () => R | Promise<R>): Promise<R> {
    await this.#turn();
    if (++this.writes === this.dieAt) {
      this.dead = true;
      this.#died();
    }
    if (this.dead) return new Promise(() => undefined);
    const result = await effect();
    await this.#turn();
    return result;
  }

  async read<R>(look: () => R | Promise<R>): Promise<R> {
    await this.#turn();
    if (this.dead) return new Promise(() => undefined);
    return look();
  }

  async #turn(): Promise<void> {
    for (let n = this.turns(); n > 0; n--) await undefined;
  }
}

/** One process: it may send workflows and run tasks. */
export class ModelProcess {
  readonly #flows: ReturnType<Workflows['connect']>;
  readonly #steps: WorkflowSteps;
  readonly #engine: Engine;

  constructor(
    private readonly broker: ModelBroker,
    readonly life: Life,
    /** What a task does; `undefined`: it fails. */
    private readonly perform: (name: string, args: readonly unknown[]) => unknown,
  ) {
    this.#engine = modelEngine(broker, life);
    const workflows = new Workflows({
      engine: this.#engine,
      clock: CLOCK,
      resultExpiresMs: LONG_MS,
      failureExpiresMs: LONG_MS,
      publishRetryMs: 1000,
      lockDurationMs: 1000,
    });
    const tasks = new TaskReader(this.#engine, workflows.parts);
    const index = new TaskIdIndex(this.#engine, tasks, CLOCK, 1000);
    const sender = { detour: null, prepare } as unknown as Sender;
    this.#flows = workflows.connect({
      index,
      producer: new Producer(this.#engine, 1000),
      ids: { nextFlow: () => 'modelmodel12-0' } as IdSource,
      unique: undefined as never,
      tracing: undefined,
      inTransaction: undefined as never,
      jobs: tasks.jobs,
      results: {} as PlainSource,
      sender: () => sender,
    });
    this.#steps = new WorkflowSteps(this.#flows, {
      engine: this.#engine,
      resultExpiresMs: 1000,
      failureExpiresMs: 1000,
    });
  }

  signature(name: string, args: readonly unknown[]): Composable {
    const target = { name, publish: {}, checker: undefined, lane: false } as unknown as CallTarget;
    const parts = { launcher: this.#flows.launcher, target, immutable: false, callbacks: NO_CALLBACKS };
    return new Signature(parts, args) as unknown as Composable;
  }

  /** Sends a workflow; resolves when it was sent, or never. */
  async send(flow: Composable): Promise<void> {
    await this.#flows.launcher.launch(flow, [], {});
  }

  /** Runs one job to its end; never resolves when the process dies over it. */
  async run(job: StoredJob): Promise<void> {
    const { broker, life } = this;
    broker.change(job.id, { running: true, deliveries: job.deliveries + 1 });
    const afterwards: (() => Promise<void>)[] = [];
    const delivery = deliveryOf(job, (body) => void afterwards.push(body));
    const begun = await this.#steps.begin(delivery);
    const ran = begun.kind === 'run' ? this.#outcome(begun.delivery) : begun.outcome;
    const { outcome } = await this.#steps.finish(delivery, {
      outcome: ran,
      task: undefined,
      runtimeMs: 0,
      started: true,
    });
    await life.write(() => broker.change(job.id, { running: false, doneAt: 2000, ...settled(outcome) }));
    for (const body of afterwards) await body();
  }

  #outcome({ name, message }: Delivery): Outcome {
    const decoding = { classes: CLASSES, decodeResult };
    const before = message.input === undefined ? [] : decodeInputs(message.input, decoding);
    const value = this.perform(name, [...before, ...(message.args as unknown[])]);
    if (value instanceof Error) return { kind: 'failure', error: value };
    return { kind: 'success', value, encoded: encodeResult(value) };
  }
}

/** Reads parts as everybody else would. */
export class ModelReader {
  readonly #tasks: TaskReader;

  constructor(broker: ModelBroker) {
    const engine = modelEngine(broker, new Life(() => 0));
    const { parts } = new Workflows({
      engine,
      clock: CLOCK,
      resultExpiresMs: LONG_MS,
      failureExpiresMs: LONG_MS,
      publishRetryMs: 1000,
      lockDurationMs: 1000,
    });
    this.#tasks = new TaskReader(engine, parts);
  }

  async snapshots(ids: readonly string[]): Promise<Snapshot[]> {
    const tasks = await this.#tasks.read(ids.map((id) => ({ queue: QUEUE, id })));
    return tasks.map((task, i) =>
      derive(ids[i] ?? '', task, {
        now: 3000,
        classes: CLASSES,
        decodeArgs: (args) => args as unknown[],
        decodeResult,
      }),
    );
  }
}

const CLOCK = { now: () => 1000, sync: () => undefined } as unknown as BrokerClock;
const CLASSES = new ErrorClasses();

function settled(outcome: Outcome): Partial<StoredJob> {
  switch (outcome.kind) {
    case 'success':
      return { returnvalue: JSON.stringify(outcome.encoded) };
    case 'failure': {
      const { message, stack } = failureText(outcome.error, outcome.wire);
      return { failedReason: message, stack };
    }
    default:
      throw new Error(`a part ended as "${outcome.kind}"`);
  }
}

function deliveryOf(job: StoredJob, afterwards: Delivery['afterwards']): Delivery {
  const message = readMessage(job.data);
  return {
    taskId: message.id ?? taskIdOfJob(job.id),
    jobId: job.id,
    queue: QUEUE,
    ref: { queue: QUEUE, id: job.id },
    token: job.id,
    name: job.name,
    message,
    turn: undefined,
    hasParent: false,
    retries: 0,
    deliveries: job.deliveries + 1,
    stalls: 0,
    priority: 0,
    sentAt: job.sentAt,
    trace: undefined,
    saveProgress: async () => undefined,
    afterwards,
  };
}

async function prepare(_target: CallTarget, args: readonly unknown[]): Promise<PreparedCall> {
  return {
    trace: undefined,
    packed: JSON.stringify(args),
    queue: QUEUE,
    taskId: undefined,
    priority: 0,
    fields: {},
    expires: undefined,
    due: undefined,
  };
}

type AddedJob = Parameters<ModelBroker['add']>[0];

function modelEngine(broker: ModelBroker, life: Life): Engine {
  const add = (job: AddedJob) => life.write(() => broker.add(job));
  const backend = {
    addJob: (job: AddedJob, id: string) => add({ ...job, id }),
    // A pipeline: each job arrives by itself.
    addJobs: async (jobs: readonly { job: AddedJob; jobId: string }[]) => {
      for (const { job, jobId } of jobs) await add({ ...job, id: jobId });
    },
    remove: (id: string) => life.write(() => void broker.jobs.delete(id)),
  };
  return {
    oneProcess: true,
    answers: () => 0,
    hold: () => () => undefined,
    isUnavailable: () => false,
    backend: async () => backend,
    addTogether: (jobs: readonly { jobId: string; job: AddedJob }[]) =>
      life.write(() => {
        for (const { jobId, job } of jobs) broker.add({ ...job, id: jobId });
      }),
    amendData: ({ id }: JobRef, was: string, data: object) =>
      life.write(() => {
        if (broker.jobs.get(id)?.data !== was) return false;
        broker.change(id, { data: JSON.stringify(data) });
        return true;
      }),
    readJobs: (refs: readonly JobRef[]) => life.read(() => refs.map(({ id }) => broker.jobs.get(id))),
    signals: { notify: () => undefined, hint: () => undefined },
    records: {
      read: (keys: readonly string[]) => life.read(() => keys.map((key) => broker.records.get(key))),
    },
    flows: {
      create: (flow: string, plan: string) =>
        life.write(() => {
          if (broker.flows.has(flow)) return false;
          broker.flows.set(
            flow,
            new Map([
              [HEAD, '1'],
              [PLAN, plan],
            ]),
          );
          return true;
        }),
      write: (flow: string, writes: readonly WorkflowWrite[]) => life.write(() => broker.write(flow, writes)),
      read: (wanted: readonly { flow: string; fields: readonly string[] }[]) =>
        life.read(() =>
          wanted.map(({ flow, fields }) => fields.map((field) => broker.flows.get(flow)?.get(field))),
        ),
      watch: async () => undefined,
      unwatch: async () => undefined,
      expire: () => life.write(() => undefined),
      remove: (flow: string) => life.write(() => void broker.flows.delete(flow)),
    },
  } as unknown as Engine;
}
