/** Steps, sleeps and waits of tasks, on real brokers. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import {
  chain,
  chord,
  type GroupResult,
  InvalidArgumentsError,
  NotSerializableError,
  StepError,
  states,
  Task,
  type TaskReport,
  TaskService,
  WaitTimeoutError,
} from 'celeriac';
import { z } from 'zod';
import { openEngine } from '#src/broker/open.js';
import { gate, onEveryEngine, rejection, until, within } from '../support/app.js';

const ENGINE = { connectTimeoutMs: 20_000, migrate: true, onTrouble: () => {}, onRecovered: () => {} };

onEveryEngine((ground) => {
  it('runs a step once, whatever fails later', async (t) => {
    const { app, worker } = ground.app(t);
    const ran: string[] = [];
    const keys: string[] = [];
    const order = app.task('order', { maxRetries: 3, defaultRetryDelay: 1 }, async function (id: string) {
      const charge = await this.step('charge', ({ key }) => {
        ran.push('charge');
        keys.push(key);
        return { id, amount: 3 };
      });
      const nothing = await this.step('nothing', () => void ran.push('nothing'));
      assert.equal(nothing, undefined);
      if (this.request.retries < 2) this.retry();
      return charge.amount;
    });
    await worker();
    const result = await order.delay('7');
    assert.equal(await within(result.get(), 'the value'), 3);
    assert.deepEqual(ran, ['charge', 'nothing']);
    const { steps, retries, deliveries } = await result.snapshot();
    assert.deepEqual(
      steps.map(({ name, kind, doneAt }) => [name, kind, doneAt instanceof Date]),
      [
        ['charge', 'step', true],
        ['nothing', 'step', true],
      ],
    );
    assert.equal(retries, 2);
    assert.equal(deliveries, 3);
  });

  it('sleeps and waits without a slot, and counts no waking', async (t) => {
    const { app, worker } = ground.app(t);
    const seen: [number, number][] = [];
    const order = app.task('order', async function () {
      seen.push([this.request.retries, this.request.deliveries]);
      await this.sleep('cool down', '1s');
      const answer = await this.waitFor<{ by: string }>('approval');
      return this.step('ship', () => `shipped by ${answer.by}`);
    });
    const quick = app.task('quick', async () => 'quick');
    await worker({ concurrency: 1 });
    const result = await order.delay();
    await until(async () => (await result.status) === states.WAITING, 'the sleep');
    const asleep = (await result.info) as { kind: string; name: string; until: string };
    assert.equal(asleep.kind, 'sleep');
    assert.equal(asleep.name, 'cool down');
    assert.ok(new Date(asleep.until).getTime() > 0);
    assert.equal(await within((await quick.delay()).get(), 'a task beside it'), 'quick');
    await until(
      async () => ((await result.info) as { name?: string } | undefined)?.name === 'approval',
      'the wait',
    );
    assert.deepEqual(await result.info, { kind: 'wait', name: 'approval', until: null });
    const waiting = await result.snapshot();
    assert.equal(waiting.state, 'WAITING');
    assert.equal(waiting.deliveries, 1);
    assert.deepEqual(
      waiting.steps.map(({ name, kind, doneAt }) => [name, kind, doneAt !== undefined]),
      [
        ['cool down', 'sleep', true],
        ['approval', 'wait', false],
      ],
    );
    assert.deepEqual(await result.send('approval', { by: 'ada' }), { accepted: true });
    assert.equal((await result.send('approval', { by: 'eve' })).accepted, false);
    assert.equal(await within(result.get(), 'the value'), 'shipped by ada');
    assert.deepEqual(new Set(seen.map(String)), new Set(['0,1']));
    const { deliveries, retries, steps } = await result.snapshot();
    assert.deepEqual([deliveries, retries, steps.length], [1, 0, 3]);
    assert.equal((await result.send('approval', 1)).accepted, false);
  });

  it('keeps the places of chunks that a finished step has emitted', async (t) => {
    const { app, worker } = ground.app(t);
    const task = app.task('words', { maxRetries: 1, defaultRetryDelay: 1 }, async function () {
      await this.emit('first');
      await this.step('inner', async () => {
        for (const word of ['a', 'b', 'c']) await this.emit(word);
      });
      await this.sleep('nap', '50ms');
      await this.emit('after');
      await this.sleep('another nap', '50ms');
      await this.emit('last');
      if (this.request.retries === 0) this.retry();
    });
    await worker();
    const result = await task.delay();
    const seen: (readonly [number, unknown])[] = [];
    for await (const { attempt, chunk } of result.stream({ restarts: 'follow' }).entries())
      seen.push([attempt, chunk]);
    const of = (wanted: number) => seen.filter(([attempt]) => attempt === wanted).map(([, chunk]) => chunk);
    assert.deepEqual(of(1), ['first', 'after', 'last'], 'the step does not run in the second attempt');
    const first = ['first', 'a', 'b', 'c', 'after', 'last'];
    assert.deepEqual(of(0), first.slice(0, of(0).length));
    assert.ok(of(0).length >= 5, `the reader was there for ${of(0)}`);
  });

  it('takes a value that was sent before it waits, and one sent to nobody is not accepted', async (t) => {
    const { app, worker } = ground.app(t);
    const task = app.task('early', async function () {
      return this.waitFor('go');
    });
    const result = await task.delay();
    assert.deepEqual(await result.send('go', undefined), { accepted: true });
    await worker();
    assert.equal(await within(result.get(), 'the value'), undefined);
    assert.equal((await app.result('nobody').send('go', 1)).accepted, false);
  });

  it('times out once, and stays timed out', async (t) => {
    const { app, worker } = ground.app(t);
    const task = app.task('late', { maxRetries: 1, defaultRetryDelay: 1 }, async function () {
      const error = await rejection(this.waitFor('go', { timeout: '50ms' }));
      assert.ok(error instanceof WaitTimeoutError);
      assert.equal(error.step, 'go');
      if (this.request.retries === 0) this.retry();
      return 'gave up';
    });
    await worker();
    const result = await task.delay();
    assert.equal(await within(result.get(), 'the value'), 'gave up');
  });

  it('refuses a name that is used twice', async (t) => {
    const { app, worker } = ground.app(t);
    class Twice extends TaskService {
      @Task('twice') async twice(): Promise<string> {
        await this.step('a', () => 1);
        await this.sleep('a', 1);
        return 'no';
      }
    }
    const service = app.register(new Twice());
    await worker();
    const error = await rejection(within((await service.twice.delay()).get(), 'the end'));
    assert.ok(error.cause instanceof StepError, String(error.cause));
    assert.match(error.message, /"a" is used twice/);
  });

  it('ends a waiting task at once when it is revoked', async (t) => {
    const { app, worker } = ground.app(t);
    const task = app.task('idle', async function () {
      await this.waitFor('never');
    });
    await worker();
    const result = await task.delay();
    await until(async () => (await result.status) === 'WAITING', 'the wait');
    const [scheduled = []] = Object.values(await app.inspect().scheduled());
    const listed = (scheduled as readonly TaskReport[]).find(({ id }) => id === result.id);
    assert.deepEqual(listed?.waiting, [{ kind: 'wait', name: 'never' }]);
    assert.deepEqual([listed.eta, listed.deliveries], [undefined, 1]);
    assert.deepEqual(await result.revoke(), { found: true, was: 'WAITING' });
    assert.equal(await result.status, 'REVOKED');
    assert.equal((await result.send('never', 1)).accepted, false);
  });

  it('keeps the steps of a failed task for its retry, and drops them for a fresh one', async (t) => {
    const { app, worker } = ground.app(t);
    let charged = 0;
    let broken = true;
    const order = app.task('order', async function () {
      await this.step('charge', () => ++charged);
      await this.sleep('nap', 1);
      if (broken) throw new RangeError('broken');
      return charged;
    });
    await worker();
    const result = await order.delay();
    await rejection(within(result.get(), 'the failure'));
    assert.equal((await result.snapshot()).deliveries, 1);
    broken = false;
    assert.deepEqual((await app.failed.retry(result.id)).done, [result.id]);
    assert.equal(await within(result.get(), 'the value'), 1);
    const { deliveries, steps } = await result.snapshot();
    assert.deepEqual([deliveries, steps.length], [1, 2]);
    broken = true;
    const other = await order.delay();
    await rejection(within(other.get(), 'the failure'));
    broken = false;
    await app.failed.retry(other.id, { fresh: true });
    assert.equal(await within(other.get(), 'the value'), 3);
  });

  it('takes what several waits need, in any order, and wakes up for the first', async (t) => {
    const { app, worker } = ground.app(t);
    let stored = 0;
    const both = app.task('both', async function () {
      return Promise.all([
        this.waitFor('a'),
        this.step('beside', async () => {
          await new Promise((resolve) => setTimeout(resolve, 50));
          return ++stored;
        }),
        this.waitFor('b', { timeout: '1h' }),
        this.sleep('c', 30).then(() => 'slept'),
      ]);
    });
    await worker();
    const result = await both.delay();
    await until(async () => (await result.status) === 'WAITING', 'the wait');
    assert.equal((await result.send('b', 2)).accepted, true);
    assert.equal((await result.send('a', 1)).accepted, true);
    assert.deepEqual(await within(result.get(), 'the value'), [1, 1, 2, 'slept']);
  });

  it('checks a value against the schema, where it is sent and where it arrives', async (t) => {
    const { app, twin, worker } = ground.app(t);
    const Approval = z.object({ by: z.string(), at: z.coerce.date().optional() });
    const task = app.task('checked', async function () {
      const { by } = await this.waitFor('approval', { schema: Approval });
      const error = await rejection(this.waitFor('other', { schema: z.number() }));
      assert.ok(error instanceof InvalidArgumentsError, String(error));
      return by;
    });
    await worker();
    const result = await task.delay();
    await until(async () => (await result.status) === 'WAITING', 'the wait');
    const refused = await result.send('approval', { by: 7 });
    assert.equal(refused.accepted, false);
    assert.match(refused.why ?? '', /by/);
    assert.equal((await result.send('approval', { by: 'ada' })).accepted, true);
    // Another process knows nothing of the schema.
    assert.equal((await twin().result(result.id).send('other', 'seven')).accepted, true);
    assert.equal(await within(result.get(), 'the value'), 'ada');
    await assert.rejects(
      result.send('late', () => 1),
      NotSerializableError,
    );
  });

  it('counts time limits over all stretches, and nothing that sleeps', async (t) => {
    const { app, worker } = ground.app(t);
    const task = app.task('limited', { timeLimit: '900ms' }, async function (stretches: number) {
      for (let i = 0; i < stretches; i++) {
        await this.sleep(`nap ${i}`, '500ms');
        await this.step(`work ${i}`, () => new Promise((resolve) => setTimeout(resolve, 250)));
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      return 'done';
    });
    await worker();
    const [short, long] = await Promise.all([task.delay(1), task.delay(6)]);
    assert.equal(await within(short.get(), 'the short one'), 'done');
    const error = await rejection(within(long.get(), 'the long one'));
    assert.match(error.message, /time limit of 900 ms/);
  });

  it('goes on in a chain and in a chord', async (t) => {
    const { app, worker } = ground.app(t);
    const nap = app.task('nap', async function (n: number) {
      await this.sleep('nap', 50);
      return this.step('add', () => n + 1);
    });
    const sum = app.task('sum', async (ns: number[]) => ns.reduce((a, b) => a + b, 0));
    await worker();
    const result = await chord([chain(nap.s(1), nap.s()), nap.s(10)], sum.s()).delay();
    assert.equal(await within(result.get(), 'the value'), 14);
  });

  it('keeps what was sent to a task that is moved into its lane', async (t) => {
    const { app, twin, worker } = ground.app(t);
    const sent = await twin().sendTask('laned');
    assert.equal((await sent.send('go', 'on')).accepted, true);
    app.task('laned', { rateLimit: '100/s' }, async function () {
      return this.waitFor('go');
    });
    await worker();
    assert.equal(await within(sent.get(), 'the value'), 'on');
  });

  it('expires nothing that has begun, and forgets steps with the record', async (t) => {
    const { app, worker } = ground.app(t);
    const task = app.task('begun', async function () {
      await this.sleep('nap', '600ms');
      return 'on time';
    });
    await worker();
    const result = await task.applyAsync([], { expires: '300ms' });
    await until(async () => (await result.status) === 'WAITING', 'the sleep');
    assert.equal(await within(result.get(), 'the value'), 'on time');
    await result.forget();
    const { known, steps } = await result.snapshot();
    assert.deepEqual([known, steps], [false, []]);
  });

  it('purges a waiting task', async (t) => {
    const { app, worker } = ground.app(t);
    const task = app.task('idle', async function () {
      await this.waitFor('never');
    });
    await worker();
    const result = await task.delay();
    await until(async () => (await result.status) === 'WAITING', 'the wait');
    assert.deepEqual(await app.queues.purge(), { celeriac: 1 });
    assert.equal(await result.status, 'REVOKED');
  });

  it('begins no new stream when it wakes up', async (t) => {
    const { app, worker } = ground.app(t);
    const write = app.task('write', async function* () {
      yield 'before';
      await this.sleep('nap', 100);
      yield 'after';
      await this.waitFor('go');
      yield 'last';
    });
    await worker();
    const result = await write.delay();
    const got: string[] = [];
    const reading = (async () => {
      for await (const chunk of result.stream()) got.push(chunk);
    })();
    await until(
      async () => ((await result.info) as { name?: string } | undefined)?.name === 'go',
      'the wait',
    );
    await result.send('go');
    await within(reading, 'the end of the stream');
    assert.deepEqual(got, ['before', 'after', 'last']);
    const again: string[] = [];
    for await (const chunk of result.stream()) again.push(chunk);
    assert.deepEqual(again, got);
  });

  it('holds nothing while many wait', async (t) => {
    const { app, prefix, worker } = ground.app(t);
    const task = app.task('idle', async function (n: number) {
      return `${n} ${await this.waitFor<string>('go')}`;
    });
    const running = await worker({ concurrency: 20 });
    const results = await app.publish(Array.from({ length: 210 }, (_, n) => task.s(n)));
    for (const result of results) await until(async () => (await result.status) === 'WAITING', 'the wait');
    assert.equal(running.describe().running, 0);
    const engine = openEngine(ground.url, { ...ENGINE, prefix });
    t.after(() => engine.close());
    assert.deepEqual(await engine.steps.waiting(), new Map([['celeriac', results.length]]));
    await Promise.all(results.map((result) => result.send('go', 'on')));
    const values = await within(Promise.all(results.map((result) => result.get())), 'all values');
    assert.deepEqual(
      values,
      results.map((_, n) => `${n} on`),
    );
  });

  it('shows how many wait, over the fleet, whatever becomes of them', async (t) => {
    const { app, prefix, worker } = ground.app(t);
    const engine = openEngine(ground.url, { ...ENGINE, prefix });
    t.after(() => engine.close());
    const waiting = async () => {
      let sum = 0;
      for (const count of (await engine.steps.waiting()).values()) sum += count;
      return sum;
    };
    const comes = (count: number, what: string) => until(async () => (await waiting()) === count, what);
    const nap = app.task('nap', async function () {
      await this.sleep('nap', '1h');
    });
    const both = app.task('both', async function () {
      await Promise.all([this.sleep('nap', '1h'), this.waitFor('go')]);
    });
    const asks = app.task('asks', { rateLimit: '100/s' }, async function () {
      await this.waitFor('go');
      this.retry({ countdown: 3600 });
    });
    let fails = true;
    const breaks = app.task('breaks', async function () {
      const broken = this.step('breaks', () => {
        if (fails) throw new Error('broken');
      });
      await Promise.all([this.sleep('nap', '1h'), broken]);
    });
    const running = await worker({ health: { port: 0 } });
    const gauge = async () => {
      await engine.records.remove('waiting-count');
      const text = await (await fetch(`http://127.0.0.1:${running.healthPort}/metrics`)).text();
      return /^celeriac_tasks_waiting\{queue="celeriac"\} (\d+)$/m.exec(text)?.[1];
    };
    // A scrape on a busy machine goes without a count that takes long.
    const shows = (count: string) => until(async () => (await gauge()) === count, `a gauge of ${count}`);
    await shows('0');
    const broken = await breaks.delay();
    await rejection(broken.get());
    await nap.applyAsync([], { countdown: 3600 });
    const [first, , two, asking] = await app.publish([nap.s(), nap.s(), both.s(), asks.s()]);
    await comes(4, 'those that wait');
    fails = false;
    await app.failed.retry(broken.id);
    await comes(5, 'one that had failed');
    await shows('5');
    await first?.revoke();
    assert.equal(await waiting(), 4);
    await two?.send('go');
    await until(
      async () => ((await two?.info) as { kind?: string } | undefined)?.kind === 'sleep',
      'the rest',
    );
    assert.equal(await waiting(), 4);
    await asking?.send('go');
    await until(async () => (await asking?.status) === 'RETRY', 'the retry');
    assert.equal(await waiting(), 3);
    await broken.revoke();
    await broken.forget();
    assert.equal(await waiting(), 2);
    await app.queues.purge();
    await shows('0');
  });

  it('goes on with what wins a race, whatever the others wait for', async (t) => {
    const { app, worker } = ground.app(t);
    const pause = () => new Promise((resolve) => setTimeout(resolve, 30));
    const race = app.task('race', async function () {
      const first = await Promise.race([this.waitFor<string>('a'), this.waitFor<string>('b')]);
      await pause();
      const second = await Promise.race([this.waitFor<string>('cancel'), this.step('work', () => 'worked')]);
      await pause();
      const third = await Promise.race([
        this.waitFor<string>('never'),
        this.sleep('deadline', 50).then(() => 'late'),
      ]);
      await pause();
      return [first, second, third];
    });
    await worker();
    const result = await race.delay();
    await until(async () => (await result.status) === 'WAITING', 'the race');
    await result.send('a', 'won');
    assert.deepEqual(await within(result.get(), 'the value'), ['won', 'worked', 'late']);
  });

  it('gives the loser of a race its end as well, and sees races behind functions', async (t) => {
    const { app, worker } = ground.app(t);
    const pause = () => new Promise((resolve) => setTimeout(resolve, 30));
    const race = app.task('race', async function () {
      const waiting = async (name: string) => `${name}: ${await this.waitFor<string>(name)}`;
      const first = await Promise.race([waiting('a'), waiting('b')]);
      await pause();
      const [c, d] = [this.waitFor<string>('c'), this.waitFor<string>('d')];
      const second = await Promise.race([c, d]);
      await pause();
      return [first, second, await d];
    });
    await worker();
    const result = await race.delay();
    await until(async () => (await result.status) === 'WAITING', 'the race');
    await result.send('a', '1');
    await until(async () => (await result.snapshot()).steps.length === 4, 'the second race');
    await result.send('c', '2');
    await pause();
    await result.send('d', '3');
    assert.deepEqual(await within(result.get(), 'the value'), ['a: 1', '2', '3']);
  });

  it('ends what was revoked while it ran and then waits, and a chord with it', async (t) => {
    const { app, worker } = ground.app(t);
    const begun = gate();
    const revoked = gate();
    const member = app.task('member', async function (_: number) {
      begun.open();
      await revoked.opened;
      await this.waitFor('never');
    });
    const sum = app.task('sum', async (all: unknown[]) => all.length);
    await worker();
    const whole = await chord([member.s(1)], sum.s()).delay();
    await within(begun.opened, 'its start');
    const alone = whole.parent as GroupResult;
    await alone.results[0]?.revoke();
    revoked.open();
    await rejection(within(whole.get(), 'the end of the chord'));
  });

  it('takes values for a later part of a workflow, the first of each name', async (t) => {
    const { app, worker } = ground.app(t);
    const open = gate();
    const slow = app.task('slow', async () => void (await open.opened));
    const go = app.task('go', async function (_: unknown) {
      return [await this.waitFor('go'), await this.waitFor('on')];
    });
    await worker();
    const result = await chain(slow.s(), go.s()).delay();
    assert.deepEqual(await result.send('go', 'early'), { accepted: true });
    assert.equal((await result.send('go', 'second')).accepted, false);
    open.open();
    await until(
      async () => ((await result.info) as { name?: string } | undefined)?.name === 'on',
      'the wait',
    );
    assert.equal((await result.send('go', 'third')).accepted, false);
    assert.deepEqual(await result.send('on', 'late'), { accepted: true });
    assert.deepEqual(await within(result.get(), 'the value'), ['early', 'late']);
    assert.ok((await result.snapshot()).steps.every(({ doneAt }) => doneAt !== undefined));
  });

  it('does not expire in the lane that it is moved into when it wakes up', async (t) => {
    const { app, worker } = ground.app(t);
    const task = app.task('moved', async function () {
      await this.sleep('nap', '500ms');
      return 'on time';
    });
    await worker();
    const result = await task.applyAsync([], { expires: '300ms' });
    await until(async () => (await result.status) === 'WAITING', 'the sleep');
    await app.control.rateLimit('moved', '100/s');
    assert.equal(await within(result.get(), 'the value'), 'on time');
  });

  it('goes on in the lane that it is moved into when it wakes up: its deliveries, its time, its stream', async (t) => {
    const { app, worker } = ground.app(t);
    const seen: [number, number][] = [];
    const task = app.task(
      'moved',
      { maxRetries: 1, retryJitter: false, timeLimit: '900ms' },
      async function* (tired: boolean) {
        seen.push([this.request.retries, this.request.deliveries]);
        if (this.request.retries === 0) this.retry({ countdown: 0 });
        yield 'before';
        await new Promise((resolve) => setTimeout(resolve, tired ? 500 : 1));
        await this.sleep('nap', '400ms');
        yield 'after';
        await new Promise((resolve) => setTimeout(resolve, tired ? 500 : 1));
        await this.sleep('in the lane', 50);
        yield 'last';
        return this.request.deliveries;
      },
    );
    await worker();
    const [result, long] = await Promise.all([task.delay(false), task.delay(true)]);
    const reader = result.stream();
    assert.equal((await within(reader.next(), 'a chunk')).value, 'before');
    await until(async () => (await result.status) === 'WAITING', 'the sleep');
    await app.control.rateLimit('moved', '100/s');
    assert.equal((await within(reader.next(), 'a chunk of the lane')).value, 'after');
    assert.equal(await within(result.get(), 'the value'), 2);
    const { deliveries, retries } = await result.snapshot();
    assert.deepEqual([deliveries, retries], [2, 1]);
    assert.deepEqual([(await reader.next()).value, (await reader.next()).done], ['last', true]);
    assert.ok(
      seen.every(([tries, started]) => started === tries + 1),
      String(seen),
    );
    const error = await rejection(within(long.get(), 'the long one'));
    assert.match(error.message, /time limit of 900 ms/);
  });

  it('keeps the steps of each argument list of a map, and takes values for each', async (t) => {
    const { app, worker } = ground.app(t);
    const ran: number[] = [];
    const add = app.task('add', async function (n: number) {
      const one = await this.step('one', () => ran.push(n));
      await this.sleep('nap', 20);
      return n + one + (n === 20 ? await this.waitFor<number>('more') : 0);
    });
    await worker();
    const result = await add.map([10, 20, 30]).delay();
    assert.equal((await result.send('more[1]', 100)).accepted, true);
    assert.deepEqual(await within(result.get(), 'the values'), [11, 122, 33]);
    assert.deepEqual(ran, [10, 20, 30]);
    const names = (await result.snapshot()).steps.map(({ name }) => name);
    const expected = ['one[0]', 'nap[0]', 'one[1]', 'nap[1]', 'more[1]', 'one[2]', 'nap[2]'];
    assert.deepEqual(names.sort(), expected.sort());
  });
});
