/**
 * A fault campaign: tasks are sent to workers in other processes, something goes wrong meanwhile, and the ledger is
 * judged. The tests are short ones, `fault/campaign.ts` is the long one; all are this.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { BrokerUnavailableError } from 'celeriac';
import { pause, startProgram, uniqueName, until, within } from './app.js';
import { ready, untilStarts, WorkerFleet } from './fault-fleet.js';
import { faultsIn, type SentTask, tally } from './fault-judge.js';
import { readLedger } from './fault-ledger.js';
import { type FaultTask, randomFrom } from './fault-plan.js';
import { type FaultPlace, faultApp, registerFaultTasks, sendFaultTask } from './fault-tasks.js';

const WAITER = new URL('../fault/programs/waiter.js', import.meta.url);

type Cleanup = Pick<TestContext, 'after'>;

export interface CampaignOptions {
  readonly broker: string;
  readonly tasks: readonly FaultTask[];
  readonly workers: number;
  /** What goes wrong meanwhile. */
  trouble(campaign: RunningCampaign): Promise<void>;
}

/** What trouble is made of. */
export interface RunningCampaign {
  readonly fleet: WorkerFleet;
  /** Resolves when a share (0 to 1) of the tasks has begun, or when all have ended. */
  reached(share: number): Promise<void>;
}

export interface CampaignReport {
  /** What is wrong; empty when all is well. */
  readonly faults: readonly string[];
  readonly killed: number;
  /** Times a body began; more than tasks and retries, by what was run again. */
  readonly starts: number;
  readonly endings: Readonly<Record<string, number>>;
}

/** Runs one; everything it starts is gone with `t`. */
export async function runCampaign(t: Cleanup, options: CampaignOptions): Promise<CampaignReport> {
  const place = { broker: options.broker, prefix: uniqueName() };
  const ledger = ledgerFile(t);
  await migrate(place);
  const fleet = new WorkerFleet(t, place, ledger);
  await fleet.start(options.workers);
  const waiter = await Waiter.start(t, place, ledger, 'beside');
  let over = false;
  const reached = (share: number) =>
    untilStarts(ledger, Math.floor(options.tasks.length * share), () => over);
  const waited = async () => {
    try {
      const sent = await sendAll(t, place, options.tasks, waiter);
      await waiter.done();
      return sent;
    } finally {
      over = true;
    }
  };
  const [sent] = await Promise.all([waited(), options.trouble({ fleet, reached })]);
  // Whoever asks afterwards hears the same.
  const late = await Waiter.start(t, place, ledger, 'afterwards');
  late.wait(sent.map(({ id }) => id));
  await late.done();
  await untilIdle(t, place);
  await fleet.stop();
  const lines = readLedger(ledger);
  const facts = { waiters: ['beside', 'afterwards'], killed: fleet.killed };
  return {
    faults: [...faultsIn(sent, lines, facts), ...fleet.crashes],
    killed: fleet.killed.size,
    starts: lines.starts,
    endings: tally(lines, 'beside'),
  };
}

/** Once, before all the processes, where a broker needs it. */
async function migrate(place: FaultPlace): Promise<void> {
  if (!place.broker.startsWith('postgres')) return;
  const app = faultApp(place, { migrate: true });
  await app.queues.list();
  await app.close();
}

/** For questions that may meet a connection which was just cut. */
export function unlessAway(error: unknown): undefined {
  if (!(error instanceof BrokerUnavailableError)) throw error;
}

/** A file for a ledger, removed after the test. */
export function ledgerFile(t: Cleanup): string {
  const folder = mkdtempSync(join(tmpdir(), 'celeriac-fault-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'ledger');
}

/** A process that waits for tasks, and knows nothing of them but their ids. */
export class Waiter {
  private constructor(private readonly program: ReturnType<typeof startProgram>) {}

  static async start(t: Cleanup, place: FaultPlace, ledger: string, name: string): Promise<Waiter> {
    const program = startProgram(t, WAITER, [place.broker, place.prefix, ledger, name]);
    await ready(program);
    return new Waiter(program);
  }

  wait(ids: readonly string[]): void {
    this.program.send({ ids });
  }

  /** Resolves when everything it waits for has ended. */
  async done(timeoutMs = 240_000): Promise<void> {
    this.program.send({ last: true });
    const code = await within(this.program.ended, 'the end of all tasks', timeoutMs);
    if (code !== 0 || !this.program.messages.includes('done'))
      throw new Error(`the waiter ended with ${code}:\n${this.program.output()}`);
  }
}

/** Resolves when nothing waits and nothing runs any more. */
async function untilIdle(t: Cleanup, place: FaultPlace): Promise<void> {
  const app = faultApp(place);
  t.after(() => app.close());
  await until(async () => {
    const queues = await app.queues.list();
    return queues.every(
      (queue) => queue.waiting + queue.active + queue.delayed + queue.waitingChildren === 0,
    );
  }, 'empty queues');
}

/** Sends everything, some at a time, so that workers are at it while more arrives. */
async function sendAll(
  t: Cleanup,
  place: FaultPlace,
  tasks: readonly FaultTask[],
  waiter: Waiter,
): Promise<SentTask[]> {
  const app = faultApp(place);
  t.after(() => app.close());
  const handles = registerFaultTasks(app);
  const sent: SentTask[] = [];
  for (let i = 0; i < tasks.length; i += BATCH) {
    const sentAt = Date.now();
    const batch = tasks.slice(i, i + BATCH);
    const ids = await Promise.all(batch.map((task) => sendFaultTask(handles, task)));
    waiter.wait(ids);
    batch.forEach((task, n) => {
      sent.push({ task, id: ids[n] ?? '', sentAt });
    });
  }
  await app.close();
  return sent;
}

const BATCH = 100;

/**
 * Kills spread over the whole campaign: each when so much has begun, and a random moment later.
 * @param cut breaks every connection, in place of about every other kill
 */
export function killsAtRandom(
  seed: number,
  kills: number,
  cut?: () => Promise<unknown>,
): CampaignOptions['trouble'] {
  const random = randomFrom(seed);
  return async ({ fleet, reached }) => {
    for (let n = 1; n <= kills; n++) {
      await reached(n / (kills + 1));
      await pause(random() * 150);
      if (cut !== undefined && random() < 0.5) await cut();
      else fleet.kill(random());
    }
  };
}
