/**
 * A fault campaign for steps: many tasks of twelve steps, three sleeps and two waits each, workers that are killed, a
 * broker that is restarted, and a ledger that the bodies write. What was written before a SIGKILL stays written, and the
 * broker is never asked what ran.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import type { Celeriac, TaskContext } from 'celeriac';
import { type Program, pause, startProgram, until } from './app.js';
import { ready } from './fault-fleet.js';

const WORKER = new URL('../fault/programs/step-worker.js', import.meta.url);

/** What a task does, in order. */
export const JOURNEY = [
  ...['a', 'b', 'c', '~0', 'd', 'e', '?0', 'f', 'g', '~1', 'h', 'i', '?1', 'j', 'k', '~2', 'l'],
] as const;

/** A line of the ledger. */
export interface StepLine {
  readonly what: 'begun' | 'ran' | 'woke';
  /** The number of its task. */
  readonly task: number;
  readonly name: string;
  /** What the function gave, of `ran`. */
  readonly value?: string;
  readonly pid: number;
  /** Epoch ms; all processes are on one machine, and so is the broker. */
  readonly at: number;
}

/**
 * Registers the task.
 * @param longestMs of its sleeps
 */
export function registerJourney(app: Celeriac, ledger: string, longestMs: number) {
  const note = (line: Omit<StepLine, 'pid' | 'at'>) =>
    appendFileSync(ledger, `${JSON.stringify({ ...line, pid: process.pid, at: Date.now() })}\n`);
  const options = { maxDeliveries: 10_000, autoretryFor: true, maxRetries: 0 } as const;
  return app.task('journey', options, async function (this: TaskContext, task: number): Promise<string[]> {
    const values: string[] = [];
    for (const name of JOURNEY) {
      if (name.startsWith('~')) {
        await this.sleep(name, Math.ceil(Math.random() * longestMs));
        note({ what: 'woke', task, name });
      } else if (name.startsWith('?')) values.push(await this.waitFor<string>(name));
      else
        values.push(
          await this.step(name, async () => {
            note({ what: 'begun', task, name });
            await pause(Math.random() * 20);
            const value = `${name} ${process.pid} ${Math.random().toString(36).slice(2)}`;
            note({ what: 'ran', task, name, value });
            return value;
          }),
        );
    }
    return values;
  });
}

/** Processes that are replaced whenever one is gone. */
export class StepFleet {
  readonly killed = new Set<number>();
  readonly crashes: string[] = [];
  readonly #alive = new Set<Program>();
  #stopping = false;

  constructor(
    private readonly t: { after(body: () => unknown): void },
    private readonly args: readonly string[],
    private readonly worker = WORKER,
  ) {
    t.after(() => {
      this.#stopping = true;
    });
  }

  async start(size: number): Promise<void> {
    await Promise.all(Array.from({ length: size }, () => ready(this.#spawn())));
  }

  /** Kills one, picked by `share` (0 to 1). */
  kill(share: number): void {
    const alive = [...this.#alive].filter(({ child }) => !child.killed);
    alive[Math.floor(share * alive.length)]?.child.kill('SIGKILL');
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    const programs = [...this.#alive];
    for (const { child } of programs) if (child.connected) child.disconnect();
    await until(
      () => programs.every(({ child }) => child.exitCode !== null || child.signalCode !== null),
      'the end of the workers',
      60_000,
    );
  }

  #spawn(): Program {
    const program = startProgram(this.t, this.worker, this.args);
    this.#alive.add(program);
    void program.ended.then((code) => {
      this.#alive.delete(program);
      if (code === 'SIGKILL') this.killed.add(program.child.pid ?? 0);
      else if (!this.#stopping || code !== 0)
        this.crashes.push(`exit ${code}: ${program.output().slice(0, 2000)}`);
      if (!this.#stopping) this.#spawn();
    });
    return program;
  }
}

/** How a task ended. */
export interface JourneyEnd {
  readonly values: readonly string[];
  /** When each of its sleeps was to end, epoch ms, by the broker. */
  readonly sleeps: ReadonlyMap<string, number>;
}

/**
 * What is wrong with what the ledger says of the tasks; empty when all is well.
 * @param lost the processes that lost what they ran; undefined where any may have
 */
export function stepFaults(
  ledger: string,
  ends: readonly JourneyEnd[],
  sent: readonly ReadonlyMap<string, string>[],
  lost: ReadonlySet<number> | undefined,
): { readonly faults: readonly string[]; readonly again: number } {
  const lines = new Map<string, StepLine[]>();
  for (const text of readFileSync(ledger, 'utf8').split('\n')) {
    if (text === '') continue;
    const line = JSON.parse(text) as StepLine;
    const key = `${line.task} ${line.name}`;
    lines.set(key, [...(lines.get(key) ?? []), line]);
  }
  const faults: string[] = [];
  let again = 0;
  for (const [task, { values, sleeps }] of ends.entries()) {
    const given = values[Symbol.iterator]();
    for (const name of JOURNEY) {
      const own = lines.get(`${task} ${name}`) ?? [];
      if (name.startsWith('~')) {
        const until = sleeps.get(name) ?? Number.POSITIVE_INFINITY;
        for (const { at } of own) if (at < until) faults.push(`${task} ${name} ended ${until - at} ms early`);
        if (own.length === 0) faults.push(`${task} ${name} was skipped`);
        continue;
      }
      const value = given.next().value;
      if (name.startsWith('?')) {
        if (value !== sent[task]?.get(name)) faults.push(`${task} ${name} got ${value}`);
        continue;
      }
      const ran = own.filter(({ what }) => what === 'ran');
      const stored = ran.find((line) => line.value === value);
      if (stored === undefined) faults.push(`${task} ${name} gave ${value}, which no function did`);
      // It may begin again only where the worker died before its value was stored.
      const begun = own.filter(({ what }) => what === 'begun');
      again += begun.length - 1;
      for (const { pid } of begun)
        if (pid !== stored?.pid && lost?.has(pid) === false)
          faults.push(`${task} ${name} ran in ${pid} as well, which lives`);
      for (const pid of new Set(begun.map((line) => line.pid)))
        if (lost !== undefined && begun.filter((line) => line.pid === pid).length > 1)
          faults.push(`${task} ${name} began twice in ${pid}`);
    }
  }
  return { faults, again };
}
