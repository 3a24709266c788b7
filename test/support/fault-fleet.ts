/** The workers of a fault campaign: processes that are killed, and replaced whenever one is gone. */
import { existsSync, readFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { type Program, pause, startProgram, until, within } from './app.js';
import type { FaultPlace } from './fault-tasks.js';
import { startProxy, type Wire } from './proxy.js';

const WORKER = new URL('../fault/programs/worker.js', import.meta.url);

export class WorkerFleet {
  /** Processes that died by SIGKILL, ours or their own (poison). */
  readonly killed = new Set<number>();
  /** Processes whose wire was cut. */
  readonly parted = new Set<number>();
  /** What workers said that ended without being told to. */
  readonly crashes: string[] = [];
  readonly #alive = new Set<Program>();
  #wire: Wire | undefined;
  /** Whoever has a wire of its own to the broker. */
  #wired: Program | undefined;
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

  /** Resolves when `size` workers consume, one of them over a wire of its own. */
  async start(size: number): Promise<void> {
    this.#wire = await startProxy(Number(new URL(this.place.broker).port));
    this.t.after(() => this.#wire?.close());
    await Promise.all(Array.from({ length: size }, (_, i) => ready(this.#spawn(i === 0))));
  }

  /** Nothing gets through between one worker and the broker for so long, and nobody hears that; the others go on. */
  async part(ms: number): Promise<void> {
    this.parted.add(this.#wired?.child.pid ?? 0);
    this.#wire?.part();
    await pause(ms);
    // Another one, when the first was killed meanwhile.
    this.parted.add(this.#wired?.child.pid ?? 0);
    this.#wire?.heal();
  }

  /** Resolves when all consume again. @returns how many they are */
  async whole(): Promise<number> {
    for (let programs: Program[] = []; programs.some(gone) || programs.length === 0; ) {
      programs = [...this.#alive];
      await Promise.all(programs.map((program) => ready(program).catch(() => undefined)));
    }
    return this.#alive.size;
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

  #spawn(wired: boolean): Program {
    const { broker, prefix } = this.place;
    const url = new URL(broker);
    if (wired) url.port = String(this.#wire?.port);
    const program = startProgram(this.t, WORKER, [String(url), prefix, this.ledger]);
    if (wired) this.#wired = program;
    this.#alive.add(program);
    void program.ended.then((code) => {
      this.#alive.delete(program);
      if (code === 'SIGKILL') this.killed.add(program.child.pid ?? 0);
      else if (!this.#stopping || code !== 0)
        this.crashes.push(`exit ${code}: ${program.output().slice(0, 2000)}`);
      if (!this.#stopping) this.#spawn(wired);
    });
    return program;
  }
}

function gone({ child }: Program): boolean {
  return child.exitCode !== null || child.signalCode !== null;
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
