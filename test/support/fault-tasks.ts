/** The tasks of a fault campaign, registered by its workers and by whoever sends them. */
import {
  BrokerUnavailableError,
  Celeriac,
  type CeleriacOptions,
  DuplicateTaskError,
  type Logger,
  Task,
  type TaskContext,
  TaskService,
} from 'celeriac';
import { addHostility, HostileError, hostileLogger, misbehave } from './fault-hostility.js';
import type { LedgerWriter } from './fault-ledger.js';
import {
  ENDLESS_LIMIT_MS,
  EXHAUST_RETRIES,
  type FaultKind,
  type FaultTask,
  KEYED_LIMIT,
  KEYS,
  POISON_DELIVERIES,
} from './fault-plan.js';

/** Where a campaign's processes meet. */
export interface FaultPlace {
  readonly broker: string;
  readonly prefix: string;
}

/** Short, so that what a dead worker held is taken up soon. */
export const LOCK_MS = 1000;

/** An app for one process of the campaign. */
export function faultApp({ broker, prefix }: FaultPlace, options: CeleriacOptions = {}): Celeriac {
  return new Celeriac('fault', { ...options, broker, prefix, lockDuration: LOCK_MS, logger: hostileLogger });
}

/** What `broken` and `exhaust` throw: more than a name and a message must arrive. */
export class FaultError extends Error {
  override readonly name = 'FaultError';

  constructor(
    message: string,
    readonly code: string,
  ) {
    super(message);
  }
}

type FaultHandles = ReturnType<typeof registerFaultTasks>;

/**
 * Registers every kind.
 * @param ledger absent in a process that only sends
 */
export function registerFaultTasks(app: Celeriac, ledger?: LedgerWriter) {
  addHostility(app, { sends: ledger === undefined });
  // So many workers never die under one task by chance: a WorkerLostError would be a miscount.
  const survivor = { maxDeliveries: 1000 };
  const quickRetry = { autoretryFor: true as const, defaultRetryDelay: 50 };
  const note = (what: 'started' | 'finished', key: string, context: TaskContext) => {
    const { id, retries, deliveries } = context.request;
    ledger?.body({ what, key, id, retries, deliveries });
  };
  /** A body: both lines in the ledger, work in between. */
  const body = (end: (task: FaultTask, context: TaskContext) => unknown) =>
    async function run(this: TaskContext, task: FaultTask): Promise<unknown> {
      note('started', task.key, this);
      this.log.info(`${task.key} begins`);
      await pause(task.workMs);
      const value = await end(task, this);
      note('finished', task.key, this);
      return value;
    };
  const returnKey = ({ key }: FaultTask, { request }: TaskContext) => ({ key, retries: request.retries });
  const work = body(returnKey);
  class Hooked extends TaskService {
    @Task('delayed', survivor)
    run(task: FaultTask): Promise<unknown> {
      return work.call(this, task);
    }

    onSuccess(): unknown {
      return misbehave('HOOK');
    }

    afterReturn(): unknown {
      return misbehave('HOOK');
    }
  }
  return {
    plain: app.task('plain', survivor, work),
    retry: app.task(
      'retry',
      { ...survivor, ...quickRetry, maxRetries: 5 },
      body((task, context) => {
        const { retries } = context.request;
        if (retries < task.fails) throw new FaultError(`failure ${retries} of ${task.key}`, 'AGAIN');
        return returnKey(task, context);
      }),
    ),
    exhaust: app.task(
      'exhaust',
      { ...survivor, ...quickRetry, maxRetries: EXHAUST_RETRIES },
      body(({ key }, { request }) => {
        throw new FaultError(`failure ${request.retries} of ${key}`, 'AGAIN');
      }),
    ),
    delayed: app.register(new Hooked()).run,
    keyed: app.task('keyed', { ...survivor, concurrency: { limit: KEYED_LIMIT, key: keyOf } }, work),
    barred: app.task('barred', survivor, work),
    endless: app.task(
      'endless',
      { ...survivor, timeLimit: ENDLESS_LIMIT_MS },
      body(() => new Promise(() => undefined)),
    ),
    broken: app.task(
      'broken',
      survivor,
      body(({ key }) => {
        throw new FaultError(`${key} is broken`, 'BROKEN');
      }),
    ),
    once: app.task('once', { acksLate: false }, work),
    poison: app.task(
      'poison',
      { maxDeliveries: POISON_DELIVERIES },
      body(() => {
        process.kill(process.pid, 'SIGKILL');
        return new Promise(() => undefined);
      }),
    ),
  } satisfies Record<FaultKind, unknown>;
}

/**
 * Sends one, however long the broker is away and whatever a middleware does: a call that was refused is made again, under
 * the same id where it has one.
 */
export async function sendFaultTask(
  handles: FaultHandles,
  task: FaultTask,
  place: FaultPlace,
): Promise<string> {
  const options = task.kind === 'delayed' ? { countdown: task.countdownMs } : {};
  let taskId = task.ownId ? `own:${place.prefix}/${task.key}` : undefined;
  let mayBeThere = false;
  for (;;) {
    try {
      const own = taskId === undefined ? {} : { taskId };
      const { id } = await handles[task.kind].applyAsync([task], { ...options, ...own });
      return id;
    } catch (error) {
      // It had arrived after all: only the answer was lost.
      if (error instanceof DuplicateTaskError && mayBeThere && error.taskId === taskId) return error.taskId;
      if (error instanceof HostileError) {
        mayBeThere ||= error.code === 'AFTER';
        continue;
      }
      if (!(error instanceof BrokerUnavailableError)) throw error;
      if (error.taskId === undefined || (taskId ?? error.taskId) !== error.taskId)
        throw new Error(`a call with the id ${taskId} was refused for ${error.taskId}`, { cause: error });
      mayBeThere = true;
      taskId = error.taskId;
    }
  }
}

/** What the limit of `keyed` counts by. */
function keyOf({ key }: FaultTask): string {
  return String(Number(key.split('-')[1]) % KEYS);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

const silent = () => undefined;
export const quiet: Logger = { debug: silent, info: silent, warn: silent, error: silent };
