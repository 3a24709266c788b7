/** The tasks of a fault campaign, registered by its workers and by whoever sends them. */
import {
  BrokerUnavailableError,
  Celeriac,
  type CeleriacOptions,
  DuplicateTaskError,
  type Logger,
  type TaskContext,
} from 'celeriac';
import type { LedgerWriter } from './fault-ledger.js';
import {
  ENDLESS_LIMIT_MS,
  EXHAUST_RETRIES,
  type FaultKind,
  type FaultTask,
  POISON_DELIVERIES,
} from './fault-plan.js';

/** Where a campaign's processes meet. */
export interface FaultPlace {
  readonly broker: string;
  readonly prefix: string;
}

/** Short, so that what a dead worker held is taken up soon. */
const LOCK_DURATION = '1s';

/** An app for one process of the campaign. */
export function faultApp({ broker, prefix }: FaultPlace, options: CeleriacOptions = {}): Celeriac {
  return new Celeriac('fault', { ...options, broker, prefix, lockDuration: LOCK_DURATION, logger: quiet });
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
  // So many workers never die under one task by chance: a WorkerLostError would be a miscount.
  const survivor = { maxDeliveries: 1000 };
  const quickRetry = { autoretryFor: true as const, defaultRetryDelay: 50 };
  const note = (what: 'started' | 'finished', key: string, context: TaskContext) => {
    const { retries, deliveries } = context.request;
    ledger?.body({ what, key, retries, deliveries });
  };
  /** A body: both lines in the ledger, work in between. */
  const body = (end: (task: FaultTask, context: TaskContext) => unknown) =>
    async function run(this: TaskContext, task: FaultTask): Promise<unknown> {
      note('started', task.key, this);
      await pause(task.workMs);
      const value = await end(task, this);
      note('finished', task.key, this);
      return value;
    };
  const returnKey = ({ key }: FaultTask, { request }: TaskContext) => ({ key, retries: request.retries });
  return {
    plain: app.task('plain', survivor, body(returnKey)),
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
    delayed: app.task('delayed', survivor, body(returnKey)),
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
    once: app.task('once', { acksLate: false }, body(returnKey)),
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

/** Sends one, however long the broker is away: a call that was refused is made again under the same id. */
export async function sendFaultTask(handles: FaultHandles, task: FaultTask): Promise<string> {
  const options = task.kind === 'delayed' ? { countdown: task.countdownMs } : {};
  let refusedId: string | undefined;
  for (;;) {
    try {
      const again = refusedId === undefined ? {} : { taskId: refusedId };
      const { id } = await handles[task.kind].applyAsync([task], { ...options, ...again });
      return id;
    } catch (error) {
      // It had arrived after all: only the answer was lost.
      if (error instanceof DuplicateTaskError && error.taskId === refusedId) return refusedId;
      if (!(error instanceof BrokerUnavailableError)) throw error;
      refusedId = error.taskId;
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

const silent = () => undefined;
export const quiet: Logger = { debug: silent, info: silent, warn: silent, error: silent };
