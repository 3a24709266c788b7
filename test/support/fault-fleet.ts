/** The workers of a fault campaign: processes that are killed, and replaced whenever one is gone. */
import { existsSync, readFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { type Program, startProgram, until, within } from './app.js';
import type { FaultPlace } from './fault-tasks.js';

const WORKER = new URL('../fault/programs/worker.js', import.meta.url);

export class WorkerFleet {
  /** Processes that died by SIGKILL, ours or their own (poison). */
  readonly killed = new Set<number>();
  /** What workers said that ended without being told to. */
  readonly crashes: string[] = [];
  readonly #alive = new Set<Program>();
  #stopping = false;

  constructor(
    private readonly t: Pick<TestContext, 'after'>,
    private readonly place: FaultPlace,
    private readonly ledger: string,
  ) {
    t.after(() => {
      this.#stopping = true;
    });
  }

  /** Resolves when `size` workers consume. */
  async start(size: number): Promise<void> {
    await Promise.all(Array.from({ length: size }, () => ready(this.#spawn())));
  }

  /** Kills one, picked by `share` (0 to 1); it may be one that is only just starting. */
  kill(share: number): void {
    const alive = [...this.#alive].filter(({ child }) => !child.killed);
    alive[Math.floor(share * alive.length)]?.child.kill('SIGKILL');
  }

  /** Ends all workers in peace. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const programs = [...this.#alive];
    for (const program of programs) {
      // One that is still starting hears it when it listens.
      await ready(program).catch(() => undefined);
      if (program.child.connected) program.send('stop' as never);
    }
    await within(Promise.all(programs.map((program) => program.ended)), 'the end of the workers', 60_000);
  }

  #spawn(): Program {
    const { broker, prefix } = this.place;
    const program = startProgram(this.t, WORKER, [broker, prefix, this.ledger]);
    this.#alive.add(program);
    void program.ended.then((code) => {
      this.#alive.delete(program);
      if (code === 'SIGKILL') this.killed.add(program.child.pid ?? 0);
      else if (!this.#stopping || code !== 0) this.crashes.push(`exit ${code}: ${program.output()}`);
      if (!this.#stopping) this.#spawn();
    });
    return program;
  }
}

/** Resolves when a program has said that it is ready; a busy machine may take its time. */
export async function ready({ messages, child, output }: Program): Promise<void> {
  await until(
    () => {
      if (child.exitCode === null && child.signalCode === null) return messages.includes('ready');
      throw new Error(`ended before it was ready:\n${output()}`);
    },
    'a program that is ready',
    90_000,
  );
}

/** Resolves when bodies have begun `starts` times, or when `over` says that no more will. */
export async function untilStarts(ledger: string, starts: number, over: () => boolean): Promise<void> {
  const began = () => (existsSync(ledger) ? countOf(readFileSync(ledger), STARTED) : 0);
  await until(() => over() || began() >= starts, `${starts} starts in the ledger`, 120_000);
}

const STARTED = Buffer.from('{"what":"started"');

function countOf(text: Buffer, word: Buffer): number {
  let count = 0;
  for (let at = text.indexOf(word); at !== -1; at = text.indexOf(word, at + word.length)) count++;
  return count;
}
