/** Processes that wait for tasks of which they have only the ids: `test/integration/programs/waiter.ts`, and its words. */
import type { TestContext } from 'node:test';
import { pause, startProgram, until } from './app.js';

/** How the waits of one order ended. */
export interface Ended {
  readonly ended: number;
  readonly first: number;
  /** Of the one that heard last, after its task's end. */
  readonly lateMs: number;
  /** How many had begun when their task ended; the others found it ended. */
  readonly early: number;
  readonly wrong: readonly string[];
  readonly wrongs: number;
}

/** What the process uses. */
export interface Usage {
  readonly usage: number;
  readonly waiting: number;
  readonly cpuMs: number;
  readonly heapBytes: number;
  readonly listeners: number;
  readonly resources: Readonly<Record<string, number>>;
}

export interface Waiter {
  /** Starts to wait for these; the value of each is its place from `first` on. Resolves when every get() was called. */
  wait(ids: readonly string[], first: number): Promise<unknown>;
  /** Calls so many tasks itself, and waits for them. */
  call(count: number, first: number): void;
  /** Waits for these in vain, and not for long. */
  giveUp(ids: readonly string[], first: number): void;
  ended(first: number): Promise<Ended>;
  usage(options?: { gc?: boolean }): Promise<Usage>;
  /** Resolves once it has used next to nothing for a while: a process that has just started is not idle. */
  settledDown(): Promise<void>;
  end(): Promise<void>;
}

/** @param longMs what is so long that an order has failed */
export async function startWaiter(
  t: TestContext,
  url: string,
  prefix: string,
  longMs: number,
): Promise<Waiter> {
  const file = new URL('../integration/programs/waiter.js', import.meta.url);
  const program = startProgram(t, file, [url, prefix]);
  await program.message<object>((message) => 'up' in message, 120_000);
  let asked = 0;
  const usage = (options: { gc?: boolean } = {}): Promise<Usage> => {
    const usage = ++asked;
    program.send({ usage, ...options });
    return program.message<Usage>((message) => message.usage === usage);
  };
  return {
    usage,
    wait: (ids, first) => {
      program.send({ wait: ids, first });
      const begun = (message: { waiting?: number; first?: number; usage?: number }) =>
        message.usage === undefined && message.waiting !== undefined && message.first === first;
      return program.message(begun, longMs);
    },
    call: (count, first) => program.send({ call: count, first }),
    giveUp: (ids, first) => program.send({ giveUp: ids, first }),
    ended: (first) =>
      program.message<Ended>((message) => 'ended' in message && message.first === first, longMs),
    settledDown: async () => {
      let last = Number.NEGATIVE_INFINITY;
      await until(async () => {
        await pause(500);
        const { cpuMs } = await usage();
        const usedMs = cpuMs - last;
        last = cpuMs;
        return usedMs < 40;
      }, 'an idle process');
    },
    end: async () => {
      program.child.kill('SIGKILL');
      await program.ended;
    },
  };
}
