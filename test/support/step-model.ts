/**
 * One task on a model of the broker, and processes that can be killed at any single one of their writes: its steps, the
 * end of each stretch, what is sent to it and its wake-ups are the real code; what BullMQ and the servers do is a few lines.
 */
import type { Job } from 'bullmq';
import type { Engine, JobRef, StoredJob } from '#src/broker/broker.js';
import type { BrokerClock } from '#src/broker/clock.js';
import type { Sent, SentValue, StepWrite } from '#src/broker/steps.js';
import { JobDelivery } from '#src/queue/delivery.js';
import type { SendReply } from '#src/results/send-reply.js';
import { CallSteps } from '#src/steps/call-steps.js';
import { TaskSteps } from '#src/steps/task-steps.js';
import { WaitSchemas } from '#src/steps/wait-schemas.js';
import { wakeIfAnswered } from '#src/steps/wake.js';
import { WakeWatch } from '#src/steps/wake-watch.js';
import { Serializers } from '#src/tasks/serializers.js';
import type { StepContext } from '#src/tasks/step-context.js';
import { WireCodec } from '#src/tasks/wire-codec.js';
import type { Outcome } from '#src/worker/run/outcome.js';
import { settle } from '#src/worker/run/settle.js';
import type { Life } from './flow-model.js';

const REF: JobRef = { queue: 'q', id: 'task' };

/** What the broker knows of the one task, and the time it is. */
export class StepBroker {
  now = 1_000_000;
  job: StoredJob = {
    kind: 'job',
    ...REF,
    name: 'task',
    data: '{"v":1,"args":[]}',
    progress: undefined,
    returnvalue: undefined,
    failedReason: undefined,
    stack: undefined,
    priority: 0,
    sentAt: 1_000_000,
    delayMs: 0,
    startedAt: undefined,
    doneAt: undefined,
    retries: 0,
    deliveries: 0,
    running: false,
    worker: undefined,
  };
  token = '';
  /** When a delayed job is due. */
  dueAt: number | undefined;
  readonly fields = new Map<string, string>();
  /** When its mark in the list of wake-ups is due; undefined for none. */
  wakeAt: number | undefined;

  get waiting(): boolean {
    const { doneAt, running } = this.job;
    return doneAt === undefined && !running && (this.dueAt === undefined || this.dueAt <= this.now);
  }

  change(fields: Partial<StoredJob>): void {
    this.job = { ...this.job, ...fields, ...(this.fields.size > 0 && { hasSteps: true }) };
  }

  /** The worker that held it is dead. */
  stall(): void {
    this.change({ running: false });
    this.token = '';
  }
}

/** The engine, as one process sees it. */
function engineOf(broker: StepBroker, life: Life): Engine {
  const steps = {
    write: (_job: JobRef, token: string, { field, value, sees }: StepWrite) =>
      life.write(() => {
        if (token !== broker.token) return undefined;
        const before = broker.fields.get(field);
        if (before === undefined) broker.fields.set(field, value);
        return { before, seen: sees === undefined ? undefined : broker.fields.get(sees) };
      }),
    read: () => life.read(() => new Map(broker.fields)),
    send: (_job: JobRef, { field, value, awaitedIf, now }: SentValue) =>
      life.write((): Sent => {
        if (broker.job.doneAt !== undefined) return 'gone';
        if (broker.fields.has(field)) return 'taken';
        broker.fields.set(field, value);
        if (!broker.fields.has(awaitedIf)) return 'kept';
        broker.wakeAt = Math.max(now, (broker.wakeAt ?? -1) + 1);
        return 'awaited';
      }),
    due: (now: number, _limit: number, leaseMs: number) =>
      life.write(() => {
        if (broker.wakeAt === undefined || broker.wakeAt > now) return [];
        broker.wakeAt = now + leaseMs;
        return [REF];
      }),
    mark: () => life.read(() => broker.wakeAt),
    settle: (_job: JobRef, mark: number) =>
      life.write(() => {
        if (broker.wakeAt === mark) broker.wakeAt = undefined;
      }),
  };
  const promote = () =>
    life.write(() => {
      if (broker.dueAt === undefined || broker.job.running)
        throw Object.assign(new Error('not delayed'), { code: -3 });
      broker.dueAt = undefined;
    });
  return {
    hold: () => () => undefined,
    isUnavailable: () => false,
    readJobs: () => life.read(() => [broker.job]),
    backend: async () => ({ promote }),
    records: { read: async () => [undefined] },
    steps,
  } as unknown as Engine;
}

/** A process: it may run the task, send values to it, and look after wake-ups. */
export class StepProcess {
  readonly #engine: Engine;
  readonly #clock: BrokerClock;
  readonly #codec = new WireCodec(new Serializers());
  static #tokens = 0;

  constructor(
    private readonly broker: StepBroker,
    readonly life: Life,
  ) {
    this.#engine = engineOf(broker, life);
    this.#clock = { now: () => broker.now, sync: () => undefined } as unknown as BrokerClock;
  }

  /** Sends a value; resolves with the reply, or never. */
  send(name: string, value: unknown): Promise<SendReply> {
    const tasks = { read: () => this.#engine.readJobs([REF]) };
    const parts = {
      engine: this.#engine,
      tasks,
      clock: this.#clock,
      codec: this.#codec,
      schemas: new WaitSchemas(),
    };
    return new TaskSteps(parts).send(REF, name, value);
  }

  /** One look at the wake-ups. */
  async look(): Promise<void> {
    await new WakeWatch({ engine: this.#engine, clock: this.#clock, logger: undefined as never }).look();
  }

  /** Fetches the task and runs one stretch of it; resolves when its end is written, or never. */
  async run(body: (steps: StepContext) => Promise<unknown>): Promise<void> {
    const { broker, life } = this;
    const token = `${StepProcess.#tokens++}`;
    broker.token = token;
    broker.dueAt = undefined;
    broker.change({ running: true, deliveries: broker.job.deliveries + 1 });
    const delivery = deliveryOf(broker.job, token);
    const outcome = await this.#outcome(delivery, body);
    if (outcome.kind === 'lost') return;
    const settlement = settle(delivery, { outcome, task: undefined, runtimeMs: 1, started: true });
    await life.write(() => {
      if (broker.token !== token) return;
      broker.token = '';
      if (settlement.kind === 'wait') {
        broker.dueAt = broker.now + Math.max(1, settlement.delayMs);
        broker.change({ running: false, stack: settlement.stack, delayMs: settlement.delayMs });
      } else if (settlement.kind === 'complete')
        broker.change({ running: false, doneAt: broker.now, returnvalue: JSON.stringify(settlement.value) });
      else throw new Error(`the task ended as "${settlement.kind}"`);
    });
    if (outcome.kind === 'wait') await wakeIfAnswered(this.#engine, REF, false);
  }

  #outcome(delivery: JobDelivery, body: (steps: StepContext) => Promise<unknown>): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      const call = {
        delivery,
        signal: new AbortController().signal,
        closed: false,
        checkLimit: () => undefined,
        park: (waits: Extract<Outcome, { kind: 'wait' }>['waits'], delayMs: number) => {
          call.closed = true;
          resolve({ kind: 'wait', waits, delayMs, ranMs: 1 });
        },
        lost: () => {
          call.closed = true;
          resolve({ kind: 'lost' });
        },
        passChunks: async () => undefined,
      };
      const steps = new CallSteps(call, {
        records: this.#engine.steps,
        clock: this.#clock,
        codec: this.#codec,
        schemas: new WaitSchemas(),
      });
      body(steps).then((value) => resolve({ kind: 'success', value, encoded: value }), reject);
    });
  }
}

function deliveryOf(job: StoredJob, token: string): JobDelivery {
  const bullmq = {
    id: job.id,
    name: job.name,
    data: JSON.parse(job.data) as unknown,
    attemptsMade: job.retries,
    attemptsStarted: job.deliveries,
    stalledCounter: 0,
    priority: 0,
    timestamp: job.sentAt,
    opts: {},
    stacktrace: job.stack === undefined ? [] : [job.stack],
  };
  const run = {
    token,
    turn: undefined,
    afterwards: () => undefined,
    lendSlot: () => undefined,
    takeSlot: () => undefined,
    hasSlot: true,
    appetite: undefined,
    regainSlot: async () => undefined,
  };
  return new JobDelivery(bullmq as unknown as Job, job.queue, undefined as never, run);
}
