/** A worker's report on tasks: those it runs or has reserved, and those that wait in its queues. It must only read. */

import type { Engine, JobHead } from '../../broker/broker.js';
import type { BrokerClock } from '../../broker/clock.js';
import type { FoundTask, TaskReport } from '../../control/commands.js';
import type { TaskIdIndex } from '../../coordination/task-id-index.js';
import type { TaskLookup } from '../../coordination/task-record.js';
import { taskIdOfJob } from '../../protocol/ids.js';
import { queueOfLane } from '../../protocol/lanes.js';
import { type Message, readMessage } from '../../protocol/message.js';
import { plainValue } from '../../protocol/plain-value.js';
import { deliveriesIn, parkIn, type WaitingFor } from '../../protocol/waiting.js';
import type { Delivery } from '../../queue/delivery.js';
import type { Registry } from '../../tasks/registry.js';
import { shownInstead, shownOfRunning } from '../../tasks/shown-arguments.js';
import type { WireCodec } from '../../tasks/wire-codec.js';
import type { Executor } from '../run/execute.js';
import type { RunningCall } from '../run/running-call.js';

/** Most delayed tasks a node lists, soonest first. */
const SCHEDULED_SHOWN = 1000;
/** Longest argument shown, as JSON: a report is for people, and many travel in one message. */
const ARGUMENT_SHOWN = 400;
const ARGUMENTS_SHOWN = 10;

export interface InspectionParams {
  readonly engine: Pick<Engine, 'readDelayed' | 'readHeads'>;
  readonly tasks: TaskLookup;
  readonly index: TaskIdIndex;
  readonly clock: BrokerClock;
  readonly codec: WireCodec;
  readonly executor: Executor;
  /** Tasks whose code is here say themselves what they hide. */
  readonly registry: Pick<Registry, 'get'>;
  /** Names of the broker's queues behind this worker's, lanes included. */
  queues(): readonly string[];
}

export class Inspection {
  constructor(private readonly params: InspectionParams) {}

  active(): TaskReport[] {
    const now = this.params.clock.now();
    return [...this.params.executor.running.values()].map((call) => this.#ofCall(call, now));
  }

  reserved(): TaskReport[] {
    return [...this.params.executor.held.values()].map(({ delivery, args }) =>
      this.#ofDelivery(delivery, args),
    );
  }

  async scheduled(): Promise<TaskReport[]> {
    const { engine } = this.params;
    const delayed = await engine.readDelayed(this.params.queues(), SCHEDULED_SHOWN);
    const jobs = await engine.readHeads(delayed.map(({ ref }) => ref));
    return jobs.flatMap((job, i) => {
      if (job === undefined || job.running || job.doneAt !== undefined) return [];
      const message = readMessage(job.data);
      return message.revoked === undefined ? [this.#ofJob(job, message, delayed[i]?.dueAt)] : [];
    });
  }

  async find(ids: readonly string[]): Promise<Record<string, FoundTask>> {
    const found = new Map<string, FoundTask>();
    for (const info of this.active()) found.set(info.id, { state: 'active', info });
    for (const info of this.reserved()) found.set(info.id, { state: 'reserved', info });
    const elsewhere = ids.filter((id) => !found.has(id));
    for (const [id, task] of await this.#queued(elsewhere)) found.set(id, task);
    return Object.fromEntries(
      [...new Set(ids)].flatMap((id) => {
        const task = found.get(id);
        return task === undefined ? [] : [[id, task]];
      }),
    );
  }

  /** The tasks with these ids that wait in this worker's queues. */
  async #queued(ids: readonly string[]): Promise<[string, FoundTask][]> {
    const { tasks, index } = this.params;
    const refs = await Promise.all(ids.map((id) => index.locate(id)));
    const jobs = await tasks.read(refs.filter((ref) => ref !== undefined));
    const queues = new Set(this.params.queues());
    return jobs.flatMap((job): [string, FoundTask][] => {
      if (job === undefined || job.running || job.doneAt !== undefined || !queues.has(job.queue)) return [];
      const info = this.#ofJob(job, readMessage(job.data), undefined);
      return [[info.id, { state: job.delayMs > 0 ? 'scheduled' : 'waiting', info }]];
    });
  }

  #ofJob(job: JobHead, message: Message, dueAt: number | undefined): TaskReport {
    const retries = job.retries + (message.tried ?? 0);
    // The caller's own eta until the first attempt; afterwards the time of the retry.
    const waits = waitsOf(job);
    const dueNext = waits === undefined ? dueAt : earliest(waits);
    const eta = retries === 0 && waits === undefined ? (message.eta ?? dueNext) : dueNext;
    return {
      id: message.id ?? taskIdOfJob(job.id),
      name: job.name,
      args: this.#shown(
        this.params.codec.sealOf(job.name, message),
        () => this.#decode(message.args),
        () => shownInstead(message, this.params.registry.get(job.name)),
      ),
      queue: queueOfLane(job.queue),
      retries,
      deliveries: deliveriesIn(job, message),
      ...(eta !== undefined && { eta: new Date(eta).toISOString() }),
      ...(waits !== undefined && { waiting: waits.map(waitText) }),
      ...(message.tags !== undefined && { tags: message.tags }),
      pid: process.pid,
    };
  }

  #decode(encoded: unknown): readonly unknown[] {
    try {
      return this.params.codec.decodeArgs(encoded);
    } catch {
      // Written by another program or with another key; the task is listed all the same.
      return ['[cannot be read]'];
    }
  }

  #ofCall(call: RunningCall, now: number): TaskReport {
    const startedAt = new Date(call.startedAt(now)).toISOString();
    return { ...this.#ofDelivery(call.delivery, call.request.args), startedAt };
  }

  #ofDelivery(delivery: Delivery, args: readonly unknown[]): TaskReport {
    const { taskId, name, queue, retries, deliveries, message } = delivery;
    return {
      id: taskId,
      name,
      args: this.#shown(
        this.params.codec.sealOf(name, message),
        () => args,
        () => shownOfRunning(message, this.params.registry.get(name), args),
      ),
      queue,
      retries,
      deliveries,
      ...(message.tags !== undefined && { tags: message.tags }),
      pid: process.pid,
    };
  }

  /** A report travels through the broker to any caller, so sealed and hidden arguments are not in it. */
  #shown(
    seal: string | undefined,
    args: () => readonly unknown[],
    instead: () => readonly unknown[] | undefined,
  ): unknown[] {
    return seal === undefined ? shown(instead() ?? args()) : [`[sealed by the serializer "${seal}"]`];
  }
}

/** What a parked task waits for; undefined for any other. */
function waitsOf({ stack, deliveries }: JobHead): readonly WaitingFor[] | undefined {
  const park = parkIn(stack);
  return park !== undefined && deliveries <= park.starts ? park.for : undefined;
}

/** When the first wait is over; undefined when none has an end. */
function earliest(waits: readonly WaitingFor[]): number | undefined {
  const ends = waits.flatMap(({ until }) => until ?? []);
  return ends.length === 0 ? undefined : Math.min(...ends);
}

function waitText({ kind, name, until }: WaitingFor) {
  return { kind, name, ...(until !== undefined && { until: new Date(until).toISOString() }) };
}

/** Arguments as JSON carries them; values that only the rich serializer knows are named by their kind. */
function shown(args: readonly unknown[]): unknown[] {
  const some = args.length > ARGUMENTS_SHOWN ? [...args.slice(0, ARGUMENTS_SHOWN), '…'] : args;
  return some.map((arg) => {
    try {
      const json = JSON.stringify(arg, plainValue) ?? 'null';
      if (json.length <= ARGUMENT_SHOWN) return JSON.parse(json) as unknown;
      return `${json.slice(0, ARGUMENT_SHOWN)}…`;
    } catch {
      return '[cannot be shown]'; // a cycle, or a toJSON that throws
    }
  });
}
