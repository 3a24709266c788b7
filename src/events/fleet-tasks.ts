/**
 * The tasks of the fleet's picture: what their events say, put together, for a bounded number of them. Events of one task
 * come from several processes, so one may arrive after a later one: it adds what is missing and changes no state. Pure.
 */
import { PENDING, READY, RECEIVED, RETRY, STARTED, WAITING } from '../states.js';
import type { FleetTask } from './fleet-snapshot.js';
import { type AppEvent, STATE_AFTER } from './names.js';

/** An event of a task. */
type TaskEvent = Extract<AppEvent, { readonly id: string }>;

/** A task as it is kept: moments are epoch ms. */
type KeptTask = {
  -readonly [K in keyof FleetTask]: FleetTask[K] extends Date
    ? number
    : FleetTask[K] extends Date | undefined
      ? number | undefined
      : FleetTask[K];
};

/** A running task, as its worker lists it. */
export interface RunningTask {
  readonly id: string;
  readonly name: string;
  readonly queue: string;
  readonly retries: number;
  readonly startedAt?: string;
  readonly tags?: readonly string[];
  readonly pid: number;
}

export class FleetTasks {
  /** Last changed last. */
  readonly #open = new Map<string, KeptTask>();
  readonly #ended = new Map<string, KeptTask>();

  /** @param most tasks that are kept: ended ones go first, those longest unchanged before others */
  constructor(private readonly most: number) {}

  get(id: string): FleetTask | undefined {
    const task = this.#find(id);
    return task && shown(task);
  }

  /** All, last changed first. */
  list(): FleetTask[] {
    const all = [...this.#open.values(), ...this.#ended.values()];
    return all.sort((a, b) => b.updatedAt - a.updatedAt).map(shown);
  }

  take(event: TaskEvent): void {
    const state = stateOf(event);
    if (state === undefined) return;
    const { id, name, queue, shadow, tags = [], timestamp } = event;
    const known = this.#find(id);
    const before = known ?? {
      id,
      name,
      queue,
      tags,
      state,
      retries: 0,
      updatedAt: timestamp,
      ...(shadow !== undefined && { shadow }),
    };
    const changed = changesOf(event, state);
    const { endedAt: _, ...rest } = before;
    const isLate = timestamp < before.updatedAt;
    this.#keep(isLate ? { ...changed, ...before } : { ...rest, ...changed });
  }

  /**
   * Takes a worker's list of what it runs: adds tasks that started before anybody listened, and drops those that it runs no
   * more although no event said so.
   * @param before tasks that changed after this moment are left alone: they may be newer than the list, epoch ms
   */
  reconcile(node: string, running: readonly RunningTask[], before: number): void {
    const listed = new Set(running.map(({ id }) => id));
    for (const task of this.#open.values())
      if (task.node === node && isRunning(task) && task.updatedAt < before && !listed.has(task.id))
        this.#open.delete(task.id);
    for (const { id, name, queue, retries, startedAt, tags = [], pid } of running) {
      if (this.#find(id) !== undefined) continue;
      const at = Date.parse(startedAt ?? '') || before;
      this.#keep({ id, name, queue, retries, tags, pid, node, state: STARTED, startedAt: at, updatedAt: at });
    }
  }

  #find(id: string): KeptTask | undefined {
    return this.#open.get(id) ?? this.#ended.get(id);
  }

  #keep(task: KeptTask): void {
    this.#open.delete(task.id);
    this.#ended.delete(task.id);
    (READY.has(task.state) ? this.#ended : this.#open).set(task.id, task);
    if (this.#open.size + this.#ended.size > this.most)
      dropFirst(this.#ended.size > 0 ? this.#ended : this.#open);
  }
}

/** The state that an event brings; undefined for one that changes none. */
function stateOf(event: TaskEvent): string | undefined {
  if (event.type === 'task-progress') return event.state;
  // One that is refused for good has failed, as its next event says.
  if (event.type === 'task-rejected') return event.requeue ? PENDING : undefined;
  return event.type === 'task-received' ? RECEIVED : STATE_AFTER.get(event.type);
}

function changesOf(event: TaskEvent, state: string): KeptTask {
  const { id, name, queue, tags = [], timestamp: updatedAt } = event;
  const task = { id, name, queue, tags, state, retries: 0, updatedAt };
  const here = 'node' in event ? { node: event.node, pid: event.pid, retries: event.retries } : {};
  const origin =
    event.type === 'task-sent' || event.type === 'task-received'
      ? defined({ rootId: event.rootId, parentId: event.parentId, eta: event.eta, expires: event.expires })
      : {};
  const ended = READY.has(state) ? { endedAt: updatedAt } : {};
  return { ...task, ...here, ...origin, ...ended, ...detailsOf(event) };
}

/** What each kind of event says alone. */
function detailsOf(event: TaskEvent): Partial<KeptTask> {
  switch (event.type) {
    case 'task-sent':
      return { sentAt: event.timestamp, ...defined({ args: event.args }) };
    case 'task-received':
      return { sentAt: event.sentAt, receivedAt: event.timestamp, ...defined({ args: event.args }) };
    case 'task-started':
      return { startedAt: event.timestamp };
    case 'task-progress':
      return defined({ meta: event.meta });
    case 'task-succeeded':
      return { runtimeMs: event.runtime, ...defined({ result: event.result }) };
    case 'task-failed':
    case 'task-retried':
      return { runtimeMs: event.runtime, exception: event.exception, ...defined({ stack: event.stack }) };
    case 'task-waiting':
      return { runtimeMs: event.runtime, waits: event.waits };
    case 'task-revoked':
      return defined({ reason: event.reason });
    default:
      return {};
  }
}

/** Whether a worker has it in its hands. */
function isRunning({ state }: KeptTask): boolean {
  return state !== PENDING && state !== RETRY && state !== WAITING;
}

function dropFirst(tasks: Map<string, KeptTask>): void {
  for (const id of tasks.keys()) {
    tasks.delete(id);
    return;
  }
}

const MOMENTS = ['eta', 'expires', 'sentAt', 'receivedAt', 'startedAt', 'endedAt', 'updatedAt'] as const;

function shown(task: KeptTask): FleetTask {
  const moments = MOMENTS.flatMap((name) => {
    const at = task[name];
    return at === undefined ? [] : [[name, new Date(at)] as const];
  });
  return { ...task, ...Object.fromEntries(moments) } as unknown as FleetTask;
}

function defined<T extends object>(fields: T): Partial<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<T>;
}
