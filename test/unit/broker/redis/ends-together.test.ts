import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EndsTogether } from '#src/broker/redis/ends-together.js';
import type { LuaScript } from '#src/broker/redis/lua-script.js';
import { randomFrom } from '../../../support/fault-plan.js';

type Args = readonly unknown[];

/** The arguments of BullMQ's script for the end of a job. */
function endOf(job: string, { target = 'completed', value = `value of ${job}` } = {}): Args {
  const keys = Array.from({ length: 14 }, (_, i) => `key ${i}`);
  keys[10] = target;
  keys[11] = `job ${job}`;
  return [...keys, job, 1, 'returnvalue', value, target, 1, 'prefix', `options of ${job}`, undefined];
}

const jobsIn = (args: Args) => args.slice(3).filter((_, i) => i % 6 === 0);

/** Redis, whose answers the test gives. */
class FakeRedis {
  /** The jobs of each call so far; one that went by BullMQ's own command is a text. */
  readonly calls: (string | string[])[] = [];
  readonly given: { keys: Args; args: Args }[] = [];
  readonly #answers: ((reply: unknown) => void)[] = [];
  readonly ends = new EndsTogether({
    alone: (args) => this.#call(String(args[14])),
    client: () => 'client' as never,
    script: () =>
      this.scripted
        ? ({
            run: (_client: unknown, keys: Args, args: Args) => {
              this.given.push({ keys, args });
              return this.#call(jobsIn(args) as string[]);
            },
          } as unknown as LuaScript)
        : undefined,
  });

  constructor(private readonly scripted = true) {}

  #call(jobs: string | string[]): Promise<unknown> {
    this.calls.push(jobs);
    return new Promise((resolve, reject) => {
      this.#answers.push((reply) => (reply instanceof Error ? reject(reply) : resolve(reply)));
    });
  }

  /** How many calls have no answer. */
  get open(): number {
    return this.#answers.length;
  }

  /** Answers the oldest call, or another. */
  answer(reply: (jobs: string | string[]) => unknown, which = 0): void {
    const [answer] = this.#answers.splice(which, 1);
    answer?.(reply(this.calls[this.calls.length - this.#answers.length - 1 + which] ?? ''));
  }
}

const tick = () => new Promise<void>((resolve) => setImmediate(resolve));
const names = (count: number) => Array.from({ length: count }, (_, i) => `j${i}`);

describe('Ends of tasks that fall into one tick', () => {
  it('go alone when nothing else ends, and at once', () => {
    const redis = new FakeRedis();
    void redis.ends.end(endOf('a'));
    assert.deepEqual(redis.calls, ['a']);
  });

  it('go in one call while another is under way, each with its own answer', async () => {
    const redis = new FakeRedis();
    const ended = names(4).map((job) => redis.ends.end(endOf(job)));
    assert.deepEqual(redis.calls, ['j0']);
    await tick();
    assert.deepEqual(redis.calls, ['j0', ['j1', 'j2', 'j3']]);
    redis.answer(() => 0);
    redis.answer((jobs) => (jobs as string[]).map((job) => `answer to ${job}`));
    assert.deepEqual(await Promise.all(ended), [0, 'answer to j1', 'answer to j2', 'answer to j3']);
    const [{ keys, args }] = redis.given as [{ keys: Args; args: Args }];
    assert.deepEqual(keys.slice(14), ['job j1', 'job j2', 'job j3']);
    assert.deepEqual(args.slice(0, 9), [
      'returnvalue',
      'completed',
      'prefix',
      'j1',
      1,
      'value of j1',
      1,
      'options of j1',
      '',
    ]);
  });

  it('are divided, so that Redis has some while the worker has the others', async () => {
    const redis = new FakeRedis();
    for (const job of names(11)) void redis.ends.end(endOf(job));
    await tick();
    assert.deepEqual(
      redis.calls.map((jobs) => jobs.length),
      [2, 5, 5],
    );
    for (const job of names(6)) void redis.ends.end(endOf(job));
    await tick();
    // The others are under way, and are enough.
    assert.deepEqual(
      redis.calls.map((jobs) => jobs.length),
      [2, 5, 5, 6],
    );
  });

  it('are at most 32 in a call', async () => {
    const redis = new FakeRedis();
    for (const job of names(101)) void redis.ends.end(endOf(job));
    await tick();
    assert.deepEqual(
      redis.calls.slice(1).map((jobs) => jobs.length),
      [25, 25, 25, 25],
    );
  });

  it('go with those of their kind, and large ones alone', async () => {
    const redis = new FakeRedis();
    void redis.ends.end(endOf('first'));
    void redis.ends.end(endOf('a'));
    void redis.ends.end(endOf('b', { target: 'failed' }));
    void redis.ends.end(endOf('c', { value: 'x'.repeat(20_000) }));
    void redis.ends.end(endOf('d', { target: 'failed' }));
    void redis.ends.end(endOf('e'));
    await tick();
    assert.deepEqual(redis.calls, ['first', ['a', 'e'], ['b', 'd'], 'c']);
  });

  it('go one by one where the script is not known', async () => {
    const redis = new FakeRedis(false);
    for (const job of names(3)) void redis.ends.end(endOf(job));
    await tick();
    assert.deepEqual(redis.calls, names(3));
  });

  it('fail each by itself when it is refused, and all when the call is', async () => {
    const redis = new FakeRedis();
    const ended = Promise.allSettled(names(5).map((job) => redis.ends.end(endOf(job))));
    await tick();
    redis.answer(() => 0);
    redis.answer(() => [0, new Error('OOM')]);
    redis.answer(() => new Error('Connection is closed.'));
    assert.deepEqual(
      (await ended).map((end) => (end.status === 'fulfilled' ? end.value : String(end.reason))),
      [0, 0, 'Error: OOM', 'Error: Connection is closed.', 'Error: Connection is closed.'],
    );
  });

  it('go again, one by one, when the script left them', async () => {
    const redis = new FakeRedis();
    const ended = Promise.all(names(4).map((job) => redis.ends.end(endOf(job))));
    await tick();
    redis.answer(() => 0);
    redis.answer(() => [1]);
    await tick();
    assert.deepEqual(redis.calls.slice(2), ['j2', 'j3']);
    redis.answer(() => 2);
    redis.answer(() => 3);
    assert.deepEqual(await ended, [0, 1, 2, 3]);
  });

  it('have each their own answer, once, however answers, refusals and cut calls fall', async () => {
    for (let seed = 1; seed <= 200; seed++) {
      const random = randomFrom(seed);
      const redis = new FakeRedis();
      const seen = new Map<string, number>();
      const got: [string, string][] = [];
      let made = 0;
      // As a worker does: a refused end is written again.
      const end = async (job: string): Promise<void> => {
        try {
          got.push([
            job,
            String(await redis.ends.end(endOf(job, { target: random() < 0.2 ? 'failed' : 'completed' }))),
          ]);
        } catch {
          await end(job);
        }
      };
      const all: Promise<void>[] = [];
      const reply = (job: string) => {
        if (random() < 0.1) return new Error('refused');
        seen.set(job, (seen.get(job) ?? 0) + 1);
        return `answer to ${job}`;
      };
      while (made < 60 || redis.open > 0) {
        for (let n = made < 60 ? Math.floor(random() * 9) : 0; n > 0; n--) all.push(end(`job${made++}`));
        if (random() < 0.5) await tick();
        if (redis.open > 0 && random() < 0.7)
          redis.answer((jobs) => {
            if (typeof jobs === 'string') return reply(jobs);
            if (random() < 0.1) return new Error('cut before it was done');
            return jobs.slice(0, 1 + Math.floor(random() * jobs.length)).map(reply);
          }, 0);
        await tick();
      }
      await Promise.all(all);
      assert.equal(got.length, made, `seed ${seed}`);
      for (const [job, answer] of got) assert.equal(answer, `answer to ${job}`, `seed ${seed}`);
      assert.ok(
        [...seen.values()].every((times) => times === 1),
        `seed ${seed}`,
      );
    }
  });
});
