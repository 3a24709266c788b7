/**
 * A fault campaign: tasks are sent to workers in other processes, something goes wrong meanwhile, and the ledger is
 * judged. The tests are short ones, `fault/campaign.ts` is the long one; all are this.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { startProgram, uniqueName, within } from './app.js';
import { ready, untilStarts, WorkerFleet } from './fault-fleet.js';
import { faultsIn, type SentTask, type Span, tally } from './fault-judge.js';
import { readLedger } from './fault-ledger.js';
import type { FaultTask } from './fault-plan.js';
import { leftIn } from './fault-rest.js';
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
  readonly prefix: string;
  /** To be told when the broker answers nobody for longer than a lock lasts. */
  readonly away: Span[];
  /** Resolves when a share (0 to 1) of the tasks has begun, or when all have ended. */
  reached(share: number): Promise<void>;
}

export interface CampaignReport {
  /** What is wrong; empty when all is well. */
  readonly faults: readonly string[];
  readonly tasks: number;
  readonly killed: number;
  /** How often one worker was cut off. */
  readonly parted: number;
  /** How often the broker was slow. */
  readonly slow: number;
  /** Tasks of whose end nobody heard. */
  readonly lost: number;
  /** What the broker and the workers are left with, one line each; nothing when they are idle and whole. */
  readonly left: readonly string[];
  /** Of each worker at the end, in use and in all. */
  readonly slots: readonly string[];
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
      return { sent, late: await waiter.done().then(() => undefined, messageOf) };
    } finally {
      over = true;
    }
  };
  const away: Span[] = [];
  const [{ sent, late: stuck }] = await Promise.all([
    waited(),
    options.trouble({ fleet, prefix: place.prefix, away, reached }),
  ]);
  // Whoever asks afterwards hears the same.
  const late = await Waiter.start(t, place, ledger, 'afterwards');
  late.wait(sent.map(({ id }) => id));
  const stuckToo = await late.done().catch(messageOf);
  const { left, slots } = await leftIn(t, place, await fleet.whole());
  await fleet.stop();
  const lines = readLedger(ledger);
  const lost = new Set([...fleet.killed, ...fleet.parted]);
  const facts = { waiters: ['beside', 'afterwards'], lost, away };
  const heard = lines.outcomes.get('beside');
  return {
    faults: [stuck, stuckToo, ...faultsIn(sent, lines, facts), ...left, ...fleet.crashes].filter(
      (fault) => fault !== undefined,
    ),
    tasks: sent.length,
    killed: fleet.killed.size,
    parted: fleet.parted.size,
    slow: away.length,
    lost: sent.filter(({ id }) => heard?.has(id) !== true).length,
    left,
    slots,
    starts: lines.starts,
    endings: tally(lines, 'beside'),
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Once, before all the processes, where a broker needs it. */
async function migrate(place: FaultPlace): Promise<void> {
  if (!place.broker.startsWith('postgres')) return;
  const app = faultApp(place, { migrate: true });
  await app.queues.list();
  await app.close();
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
    const ids = await Promise.all(batch.map((task) => sendFaultTask(handles, task, place)));
    waiter.wait(ids);
    batch.forEach((task, n) => {
      sent.push({ task, id: ids[n] ?? '', sentAt });
    });
  }
  await app.close();
  return sent;
}

const BATCH = 100;
