/** Batches: calls that are handed over together, on real brokers. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type AsyncResult,
  BatchError,
  Celeriac,
  chain,
  chord,
  currentTask,
  Ignore,
  InvalidArgumentsError,
  Reject,
  Task,
  type TaskRequest,
  TaskService,
} from 'celeriac';
import { testing } from 'celeriac/testing';
import { z } from 'zod';
import { type Gate, gate, onEveryEngine, rejection, until, within } from '../support/app.js';

const FULL_ONLY = '1h';
const range = (count: number) => Array.from({ length: count }, (_, i) => i);

class Search extends TaskService {
  readonly batches: number[][] = [];
  readonly heard: string[] = [];

  @Task('index', { batch: { size: 4, wait: FULL_ONLY } })
  async index(docs: number[]): Promise<string[]> {
    this.batches.push(docs);
    return docs.map((doc) => `indexed ${doc}`);
  }

  beforeStart(_id: string, [doc]: readonly unknown[]): void {
    this.heard.push(`before ${doc}`);
  }

  onSuccess(value: unknown, _id: string, [doc]: readonly unknown[]): void {
    this.heard.push(`${doc} ${value}`);
  }
}

/** What became of several calls, in order. */
async function ends<R>(sent: readonly AsyncResult<R>[]): Promise<(R | string)[]> {
  return within(
    Promise.all(
      sent.map((one) => one.get().catch((error: Error) => (error.cause as Error)?.message ?? error.message)),
    ),
    'the ends of a batch',
  );
}

/** The slots that a worker says it uses. */
async function used(app: Celeriac): Promise<number | undefined> {
  const [stats] = Object.values(await app.inspect({ timeout: '5s' }).stats());
  return stats !== undefined && 'slots' in stats ? stats.slots.used : undefined;
}

async function waiting(app: Celeriac, count: number): Promise<void> {
  await until(async () => {
    const reserved = Object.values(await app.inspect({ timeout: '5s' }).reserved()).flat();
    return reserved.length === count;
  }, `${count} calls that wait for others`);
}

/** A task of batches of three, whose code waits at a gate. */
function gated(app: Celeriac, opened: Gate, options: object = {}) {
  const seen: TaskRequest[][] = [];
  const signals: AbortSignal[] = [];
  const task = app.task(
    'gated',
    { batch: { size: 3, wait: FULL_ONLY }, ...options },
    async function (numbers: number[]) {
      seen.push([...(this.request.batch ?? [])]);
      signals.push(this.signal);
      await opened.opened;
      return numbers.map((n) => n * 10);
    },
  );
  return { task, seen, signals };
}

describe('A batch', () => {
  onEveryEngine((ground) => {
    it('runs once for several calls, and each caller gets its own result', async (t) => {
      const { app, worker } = ground.app(t);
      const search = new Search();
      const { index } = app.register(search);
      const doubled = app.task('double', { batch: { size: 100, wait: '100ms' } }, (numbers: number[]) =>
        numbers.map((n) => 2 * n),
      );
      const sent = await Promise.all(range(8).map((n) => index.delay(n)));
      const others = await Promise.all(range(5).map((n) => doubled.delay(n)));
      await worker({ concurrency: 1 });
      assert.deepEqual(
        await ends(sent),
        range(8).map((n) => `indexed ${n}`),
      );
      assert.deepEqual(await ends(others), [0, 2, 4, 6, 8]);
      assert.deepEqual(search.batches, [range(4), range(4).map((n) => n + 4)]);
      await until(() => search.heard.length === 16, 'the hooks of each call');
      assert.ok(search.heard.includes('before 3'));
      assert.ok(search.heard.includes('7 indexed 7'));
      const { deliveries, retries } = (await sent[0]?.snapshot()) ?? {};
      assert.deepEqual([deliveries, retries], [1, 0]);
    });

    it('gives each call what the code returns or throws for it', async (t) => {
      const { app, worker } = ground.app(t);
      const runs: number[][] = [];
      const batch = { batch: { size: 3, wait: FULL_ONLY } };
      const give = app.task('give', batch, (ways: string[]): unknown => {
        const [way] = ways;
        if (way === 'nothing') return undefined;
        if (way === 'throw') throw new Error('all of them');
        if (way === 'short') return ['one'];
        if (way === 'text') return 'no list';
        if (way === 'beyond') throw new BatchError(new Map([[3, new Error('x')]]));
        if (way === 'odd') throw new BatchError({ 0: new Error('x') } as never);
        return ways.map((each) => `${each}!`);
      });
      const some = app.task('some', batch, () => {
        throw new BatchError(new Map([[1, new Error('the second')]]));
      });
      const again = app.task(
        'again',
        { ...batch, autoretryFor: RangeError, defaultRetryDelay: 1, maxRetries: 5 },
        (numbers: number[]) => {
          runs.push(numbers);
          if (runs.length > 1) return numbers.map((n) => n + 100);
          throw new BatchError(
            new Map<number, Error>([
              [0, new RangeError('again')],
              [2, new TypeError('for good')],
            ]),
          );
        },
      );
      const quiet = app.task('quiet', batch, () => {
        throw new BatchError(
          new Map([
            [0, new Ignore()],
            [1, new Reject('refused')],
          ]),
        );
      });
      await worker();
      const thrice = async (way: string) => ends(await Promise.all(range(3).map(() => give.delay(way))));
      assert.deepEqual(await thrice('fine'), ['fine!', 'fine!', 'fine!']);
      assert.deepEqual(await thrice('nothing'), [undefined, undefined, undefined]);
      assert.deepEqual(
        await thrice('throw'),
        range(3).map(() => 'all of them'),
      );
      for (const end of await thrice('short')) assert.match(String(end), /a batch of 3 gave a list of 1\./);
      for (const end of await thrice('text')) assert.match(String(end), /a batch of 3 gave "no list"/);
      for (const end of await thrice('beyond'))
        assert.match(String(end), /names position 3, and the batch has 3/);
      for (const end of await thrice('odd')) assert.match(String(end), /must be a Map of positions/);
      const sent = await Promise.all(range(3).map(() => some.delay(0)));
      assert.deepEqual(await ends(sent), [undefined, 'the second', undefined]);
      const retried = await Promise.all(range(3).map((n) => again.delay(n)));
      await ends(retried.slice(1));
      const fresh = await Promise.all([7, 8].map((n) => again.delay(n)));
      assert.deepEqual(await ends([...retried, ...fresh]), [100, undefined, 'for good', 107, 108]);
      assert.deepEqual(
        runs.map((numbers) => numbers.sort()),
        [range(3), [0, 7, 8]],
      );
      assert.equal((await retried[0]?.snapshot())?.retries, 1);
      const ignored = await Promise.all(range(3).map(() => quiet.delay(0)));
      assert.deepEqual((await ends(ignored)).slice(1), ['refused', undefined]);
    });

    it('has one slot from its beginning to its end, and none while it collects', async (t) => {
      const { app, worker } = ground.app(t);
      const opened = gate();
      const { task, seen } = gated(app, opened);
      const plain = app.task('plain', () => 'ran');
      await worker({ concurrency: 2 });
      const sent = [await task.delay(0), await task.delay(1)];
      await waiting(app, 2);
      assert.equal(await used(app), 0);
      assert.equal(await within((await plain.delay()).get(), 'a task beside it'), 'ran');
      sent.push(await task.delay(2));
      await until(() => seen.length === 1, 'a full batch');
      assert.equal(await used(app), 1);
      assert.equal(await within((await plain.delay()).get(), 'a task beside it'), 'ran');
      opened.open();
      assert.deepEqual(await ends(sent), [0, 10, 20]);
      await until(async () => (await used(app)) === 0, 'the slot to come back');
    });

    it('waits for a slot when its time is over and none is free, and takes more calls meanwhile', async (t) => {
      const { app, worker } = ground.app(t);
      const busy = gate();
      const plain = app.task('plain', () => busy.opened);
      const sizes: number[] = [];
      const task = app.task('short', { batch: { size: 9, wait: 1 } }, (numbers: number[]) => {
        sizes.push(numbers.length);
        return numbers;
      });
      const first = await worker({ concurrency: 2 });
      const blocked = await plain.delay();
      await until(async () => (await used(app)) === 1, 'a busy slot');
      assert.deepEqual(await ends([await task.delay(1)]), [1]);
      const second = await plain.delay();
      await until(async () => (await used(app)) === 2, 'two busy slots');
      const sent = await Promise.all(range(5).map((n) => task.delay(n)));
      busy.open();
      await Promise.all([blocked.get(), second.get()]);
      assert.deepEqual(await ends(sent), range(5));
      assert.equal(
        sizes.reduce((sum, size) => sum + size, 0),
        6,
      );
      await until(async () => (await used(app)) === 0, 'all slots to come back');
      await first.stop();
    });

    it('loses a call that is revoked or expires while it waits, and is full by others', async (t) => {
      const { app, worker } = ground.app(t);
      const { task, seen } = gated(app, { opened: Promise.resolve(), open: () => undefined });
      await worker();
      const [kept, revoked] = [await task.delay(0), await task.delay(1)];
      await waiting(app, 2);
      await revoked.revoke({ terminate: true, reason: 'not needed' });
      assert.match(String(await ends([revoked])), /revoked: not needed/);
      await waiting(app, 1);
      const expiring = await task.applyAsync([2], { expires: '300ms' });
      await waiting(app, 2);
      await new Promise((resolve) => setTimeout(resolve, 320));
      const last = await task.delay(3);
      assert.deepEqual(await ends([kept, last]), [0, 30]);
      assert.match(String(await ends([expiring])), /revoked: it was not started before it expired/);
      assert.deepEqual(
        seen.map((requests) => requests.map(({ args }) => args[0])),
        [[0, 3]],
      );
    });

    it('goes on without a call that is ended while it runs, and is aborted when all are', async (t) => {
      const { app, worker } = ground.app(t);
      const opened = gate();
      const { task, seen, signals } = gated(app, opened);
      await worker({ concurrency: 1 });
      const sent = [
        await task.delay(0),
        await task.applyAsync([1], { timeLimit: '100ms' }),
        await task.delay(2),
      ];
      assert.match(String(await ends(sent.slice(1, 2))), /ran over its time limit/);
      await sent[2]?.revoke({ terminate: true });
      assert.match(String(await ends(sent.slice(2))), /was revoked/);
      assert.equal(await used(app), 1);
      assert.equal(signals[0]?.aborted, false);
      assert.equal(await sent[0]?.status, 'STARTED');
      const next = [await task.delay(4), await task.delay(5), await task.delay(6)];
      assert.equal(seen.length, 1);
      await sent[0]?.revoke({ terminate: true });
      await until(() => signals[0]?.aborted, 'the signal');
      await until(() => seen.length === 2, 'the slot for the next batch');
      opened.open();
      assert.deepEqual(await ends(next), [40, 50, 60]);
      await until(async () => (await used(app)) === 0, 'the slot to come back');
    });

    it('is handed back at once by a worker that stops while it collects, and nobody pays', async (t) => {
      const { app, worker } = ground.app(t);
      const opened = gate();
      const { task } = gated(app, opened, { maxRetries: 0 });
      const first = await worker({ shutdownTimeout: '1h' });
      const sent = [await task.delay(0), await task.applyAsync([1], { expires: '1h' })];
      await waiting(app, 2);
      await within(first.stop(), 'the end of the worker');
      opened.open();
      await worker();
      sent.push(await task.delay(2));
      assert.deepEqual(await ends(sent), [0, 10, 20]);
      for (const one of sent) assert.equal((await one.snapshot()).deliveries, 1);
    });

    it('takes part in workflows, with tags, middleware and limits of each call', async (t) => {
      const { app, worker } = ground.app(t);
      const passed: string[] = [];
      app.use({
        run: async ({ request }, next) => {
          passed.push(`in ${request.args[0]}`);
          const value = await next();
          passed.push(`out ${value}`);
          return value;
        },
      });
      const inner = app.task('inner', () => {
        const { parentId, tags } = currentTask()?.request ?? {};
        return { parentId, tags: [...(tags ?? [])] };
      });
      const inside: string[] = [];
      const inc = app.task(
        'inc',
        { batch: { size: 4, wait: '150ms' }, concurrency: { limit: 2 }, rateLimit: '1000/s' },
        async (numbers: number[]) => {
          inside.push((await inner.delay()).id);
          return numbers.map((n) => n + 1);
        },
      );
      const sum = app.task('sum', (numbers: number[]) => numbers.reduce((a, b) => a + b, 0));
      await worker();
      const tagged = (n: number, tags: string[]) => inc.applyAsync([n], { tags });
      const sent = await Promise.all([tagged(1, ['a', 'x']), tagged(2, ['b', 'x'])]);
      assert.deepEqual(await ends(sent), [2, 3]);
      assert.deepEqual(passed.slice(0, 4).sort(), ['in 1', 'in 2', 'out 2', 'out 3']);
      assert.deepEqual(await ends([app.result<object>(inside[0] ?? '')]), [{ tags: ['x'] }]);
      const whole = await chord(
        range(3).map((n) => chain(inc.s(n), inc.s())),
        sum.s(),
      ).delay();
      assert.equal(await within(whole.get(), 'the chord'), 9);
      const map = await inc.map(range(9)).delay();
      assert.deepEqual(
        await within(map.get(), 'the map'),
        range(9).map((n) => n + 1),
      );
    });
  });
});

describe('The code of a batch', () => {
  it('may not do what belongs to one task', async (t) => {
    const app = new Celeriac('refuses', { broker: 'memory://' });
    t.after(() => app.close());
    const refused: string[] = [];
    const task = app.task('refuses', { batch: { size: 2, wait: '1s' } }, async function () {
      const tries = [
        () => this.updateState('PROGRESS'),
        () => this.emit(1),
        () => this.retry(),
        () => this.step('one', () => 1),
        () => this.sleep('one', '1s'),
        () => this.waitFor('one'),
        () => this.replace(task.s(1)),
        () => this.addToGroup(task.s(1)),
      ];
      for (const one of tries) refused.push((await rejection((async () => one())())).message);
      this.log.info('still here');
      assert.equal(this.app, app);
    });
    assert.equal(await (await task.apply([1])).get(), undefined);
    assert.deepEqual(
      refused.map((message) => /^refuses: (\w+)\(.*\) in a batch: \w/.exec(message)?.[1]),
      ['updateState', 'emit', 'retry', 'step', 'sleep', 'waitFor', 'replace', 'addToGroup'],
    );
  });

  it("gets a list of one entry in the caller's process", async (t) => {
    const app = new Celeriac('eager', { broker: 'memory://', taskAlwaysEager: true });
    t.after(() => app.close());
    const { index } = app.register(new Search());
    assert.equal(await (await index.delay(1)).get(), 'indexed 1');
    assert.equal(await (await index.apply([2])).get(), 'indexed 2');
    assert.deepEqual(await (await index.map([3, 4]).delay()).get(), ['indexed 3', 'indexed 4']);
    const some = app.task('some', { batch: { size: 2, wait: '1s' } }, () => {
      throw new BatchError(new Map([[0, new RangeError('no')]]));
    });
    assert.equal((await rejection((await some.apply([1])).get())).cause instanceof RangeError, true);
    assert.deepEqual(
      await new Search().index([5, 6]),
      ['indexed 5', 'indexed 6'],
      'a direct call is a plain one',
    );
  });

  it('gets entries that fit the declaration, one for each call', async (t) => {
    const app = new Celeriac('declared', { broker: 'memory://' });
    t.after(() => app.close());
    const dated = app.task(
      'dated',
      { batch: { size: 2, wait: '1s' }, args: [z.object({ at: z.coerce.date() })] },
      (docs: { at: Date }[]) => docs.map(({ at }) => at.getFullYear()),
    );
    assert.equal(await (await dated.apply([{ at: new Date('2026-05-05') }])).get(), 2026);
    assert.ok((await rejection(dated.delay({ at: 'no date' } as never))) instanceof InvalidArgumentsError);
    const any = app.task('any', { batch: { size: 2, wait: '1s' } }, (docs: number[]) => docs);
    const two = await rejection((any.delay as (...args: unknown[]) => Promise<unknown>)(1, 2));
    assert.ok(two instanceof InvalidArgumentsError);
    assert.match(two.message, /a call of a batch brings one, .* this one brings 2/);
  });

  it('gets all that waits when a test lets its tasks run, at once', async (t) => {
    const app = new Celeriac('kit', { broker: 'memory://' });
    const kit = testing(app, { mode: 'queue' });
    t.after(() => app.close());
    const search = new Search();
    const { index } = app.register(search);
    const sent = await Promise.all(range(6).map((n) => index.delay(n)));
    await kit.drain();
    assert.deepEqual(search.batches, [range(4), [4, 5]]);
    assert.deepEqual(
      await ends(sent),
      range(6).map((n) => `indexed ${n}`),
    );
    await kit.reset();
  });
});
