/**
 * A fault campaign on Redis: tasks of every kind are sent, workers are killed at random moments while they run, and
 * the ledger is judged. The short form is a test, the long one a command; both are this.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { Queue } from 'bullmq';
import { pause, startProgram, uniqueName, until, within } from './app.js';
import { untilStarts, WorkerFleet } from './fault-fleet.js';
import { faultsIn, type SentTask, tally } from './fault-judge.js';
import { readLedger } from './fault-ledger.js';
import { type FaultTask, faultPlan, randomFrom } from './fault-plan.js';
import { type FaultPlace, faultApp, registerFaultTasks, sendFaultTask } from './fault-tasks.js';

const WAITER = new URL('../fault/programs/waiter.js', import.meta.url);

type Cleanup = Pick<TestContext, 'after'>;

export interface CampaignOptions {
  readonly broker: string;
  /** The same seed sends the same tasks and picks the same kills; their moments depend on the machine. */
  readonly seed: number;
  readonly tasks: number;
  /** How many of them kill their workers. */
  readonly poison: number;
  readonly kills: number;
  readonly workers: number;
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
  const fleet = new WorkerFleet(t, place, ledger);
  await fleet.start(options.workers);
  const waiter = await Waiter.start(t, place, ledger, 'beside');
  let over = false;
  const waited = async () => {
    const sent = await sendAll(t, place, faultPlan(options.seed, options.tasks, options.poison), waiter);
    await waiter.done();
    over = true;
    return sent;
  };
  const [sent] = await Promise.all([waited(), killAtRandom(fleet, ledger, options, () => over)]);
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
    await program.message((message) => message === 'ready');
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

/** Resolves when nothing waits and nothing runs in the queue. */
export async function untilIdle(t: Cleanup, { broker, prefix }: FaultPlace): Promise<void> {
  const queue = new Queue('celeriac', { connection: { url: broker }, prefix });
  t.after(() => queue.close());
  const unended = ['waiting', 'active', 'delayed', 'prioritized', 'waiting-children'] as const;
  await until(
    async () => Object.values(await queue.getJobCounts(...unended)).every((count) => count === 0),
    'an empty queue',
  );
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

/** Kills spread over the whole campaign: each when so many bodies have begun, and a random moment later. */
async function killAtRandom(
  fleet: WorkerFleet,
  ledger: string,
  { seed, kills, tasks }: CampaignOptions,
  over: () => boolean,
): Promise<void> {
  const random = randomFrom(seed + 1);
  for (let n = 1; n <= kills && !over(); n++) {
    await untilStarts(ledger, Math.floor((tasks * n) / (kills + 1)), over);
    await pause(random() * 150);
    if (!over()) fleet.kill(random());
  }
}
