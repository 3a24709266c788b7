/**
 * The parts of one call that is written down instead of sent: a producer, an index of ids and unique keys that only note
 * what the relay is to do. Must work while the broker is away. What is known to be taken is refused at the call.
 */
import { randomUUID } from 'node:crypto';
import type { Engine } from '../../broker/broker.js';
import { BrokerClock } from '../../broker/clock.js';
import { type UniqueCall, UniqueCalls } from '../../calls/unique.js';
import { Launcher, type LauncherParams } from '../../canvas/workflow/launch.js';
import { customIds, type Plan, ROOT } from '../../canvas/workflow/plan.js';
import { type IdClaim, TaskIdIndex } from '../../coordination/task-id-index.js';
import type { TaskLookup } from '../../coordination/task-record.js';
import type { KeyHolder } from '../../coordination/unique-keys.js';
import { isCeleriacError } from '../../errors.js';
import type { Acceptance, AcceptanceRule } from '../../options/acceptance.js';
import { partOf } from '../../protocol/ids.js';
import { type Envelope, Producer } from '../../queue/producer.js';
import { type FlowCall, type KeyClaim, type StoredCall, type TaskCalls, writeCall } from './calls.js';
import type { NewRow } from './table.js';

/** What the parts read from: the app's own, on the broker. */
export interface RecordingGround {
  readonly engine: Engine;
  readonly tasks: TaskLookup;
  readonly clock: BrokerClock;
  readonly index: TaskIdIndex;
  readonly unique: UniqueCalls;
  readonly acceptance: AcceptanceRule;
}

/** One call that is written down. */
export class RecordedCall {
  readonly clock: BrokerClock;
  readonly producer: Producer;
  readonly index: TaskIdIndex;
  readonly unique: UniqueCalls;
  #tasks: TaskCalls[] = [];
  #flows: FlowCall[] = [];

  constructor(ground: RecordingGround) {
    this.clock = new CallerClock(ground.engine, ground.clock);
    this.producer = new RecordingProducer(ground, (envelopes) =>
      this.#tasks.push({ kind: 'tasks', envelopes }),
    );
    this.index = new RecordingIndex(ground, (taskId) => this.#own(taskId));
    this.unique = new RecordingUnique(ground, (claim) => this.#keyed(claim));
  }

  /** Writes down a workflow. */
  flow(flow: string, plan: Plan, replicated: boolean): void {
    this.#flows.push({ kind: 'flow', flow, plan, ...(replicated && { replicated: true as const }) });
  }

  /** The rows of the call: one for all its plain tasks, and one for each that has an id or a key of its own. */
  rows(): NewRow[] {
    const special = (call: TaskCalls) => call.own !== undefined || call.unique !== undefined;
    const envelopes = this.#tasks.filter((call) => !special(call)).flatMap((call) => call.envelopes);
    const calls: StoredCall[] = [...this.#tasks.filter(special), ...this.#flows];
    if (envelopes.length > 0) calls.unshift({ kind: 'tasks', envelopes });
    return calls.map((call) => ({ key: randomUUID(), calls: writeCall(call) }));
  }

  #own(taskId: string): void {
    this.#tasks = this.#tasks.map((call) => (isOf(call, taskId) ? { ...call, own: taskId } : call));
  }

  #keyed(unique: KeyClaim): void {
    const { taskId, jobId } = unique.holder;
    this.#tasks = this.#tasks.map((call) => (isOf(call, taskId) ? { ...call, unique } : call));
    const flow = partOf(jobId)?.flow;
    this.#flows = this.#flows.map((call) => (call.flow === flow ? { ...call, unique } : call));
  }
}

function isOf({ envelopes: [first, ...others] }: TaskCalls, taskId: string): boolean {
  return first?.taskId === taskId && others.length === 0;
}

/** Writes workflows down instead of sending them. */
export class RecordingLauncher extends Launcher {
  constructor(
    params: LauncherParams,
    private readonly call: RecordedCall,
  ) {
    super(params);
  }

  override async deliver(flow: string, plan: Plan, _how: unknown, acceptance?: Acceptance): Promise<void> {
    await this.call.index.refuseTaken(customIds(flow, plan.root, ROOT).map(({ id }) => id));
    this.call.flow(flow, plan, this.call.producer.replicated(acceptance));
  }
}

/** The clock of calls: the broker's as far as it is known. A call never waits for the broker to know it better. */
class CallerClock extends BrokerClock {
  constructor(
    engine: Engine,
    private readonly known: BrokerClock,
  ) {
    super(engine);
  }

  override now(): number {
    return this.known.now();
  }

  override sync(): undefined {
    this.known.sync()?.catch(() => undefined); // the broker is away: the next call tries again
    return undefined;
  }
}

class RecordingProducer extends Producer {
  constructor(
    { engine, acceptance }: RecordingGround,
    private readonly note: (envelopes: readonly Envelope[]) => void,
  ) {
    super(engine, 0, acceptance);
  }

  override async send(envelope: Envelope): Promise<void> {
    this.note([envelope]);
  }

  override async sendAll(envelopes: readonly Envelope[]): Promise<void> {
    this.note(envelopes);
  }
}

class RecordingIndex extends TaskIdIndex {
  readonly #known: TaskIdIndex;

  constructor(
    { engine, tasks, clock, index }: RecordingGround,
    private readonly note: (taskId: string) => void,
  ) {
    super(engine, tasks, clock, 0, 'nobody');
    this.#known = index;
  }

  override async claim(taskId: string, _claim: unknown, send: () => Promise<void>): Promise<void> {
    await this.refuseTaken([taskId]);
    await send();
    this.note(taskId);
  }

  override async claimAll(claims: readonly Pick<IdClaim, 'id'>[], send: () => Promise<void>): Promise<void> {
    await this.refuseTaken(claims.map(({ id }) => id));
    await send();
  }

  override async refuseTaken(taskIds: readonly string[]): Promise<void> {
    if (taskIds.length > 0) await whereKnown(this.#known.refuseTaken(taskIds));
  }
}

class RecordingUnique extends UniqueCalls {
  readonly #known: UniqueCalls;

  constructor(
    { engine, tasks, clock, unique }: RecordingGround,
    private readonly note: (claim: KeyClaim) => void,
  ) {
    super(engine, tasks, clock, 0);
    this.#known = unique;
  }

  override async send(
    call: UniqueCall,
    { taskId, queue, jobId, delayMs }: KeyClaim['holder'],
    deliver: () => Promise<void>,
  ): Promise<KeyHolder | undefined> {
    const holder = await whereKnown(this.#known.look(call));
    if (holder !== undefined) return holder;
    await deliver();
    const { name, key, policy } = call;
    this.note({
      name,
      key,
      mode: policy.mode,
      ...(policy.ttlMs !== undefined && { ttlMs: policy.ttlMs }),
      holder: { taskId, queue, jobId, ...(delayMs !== undefined && { delayMs }) },
    });
    return undefined;
  }
}

/** What the broker says; nothing while it is away, when only the relay will know. */
async function whereKnown<R>(asked: Promise<R>): Promise<R | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (isCeleriacError(error, 'BROKER_UNAVAILABLE')) return undefined;
    throw error;
  }
}
