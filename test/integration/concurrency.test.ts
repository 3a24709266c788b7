import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { currentTask } from 'celeriac';
import { Counter, gate, onEveryEngine, startWorker, until } from '../support/app.js';

/** Counts who runs at once, and lets tasks go on when told. */
class Crowd {
  now = 0;
  most = 0;
  readonly started = new Counter();
  #gates: (() => void)[] = [];

  async stay(): Promise<void> {
    this.now++;
    this.most = Math.max(this.most, this.now);
    this.started.add();
    await new Promise<void>((resolve) => this.#gates.push(resolve));
    this.now--;
  }

  /** Lets `n` of them go. */
  release(n: number): void {
    for (const open of this.#gates.splice(0, n)) open();
  }
}

describe('Concurrency, changed while tasks run', () => {
  onEveryEngine((ground) => {
    it('eight long tasks: four run; after add-consumer with eight all run, none restarted, none lost', async (t) => {
      const { app, worker, lines } = ground.app(t, { lockDuration: '1s' });
      const crowd = new Crowd();
      const task = app.task('long', async () => {
        await crowd.stay();
        const { retries, deliveries } = currentTask()?.request ?? {};
        return { retries, deliveries };
      });
      const { node } = await worker({ concurrency: 4 });
      const sent = await Promise.all(Array.from({ length: 8 }, () => task.delay()));
      await crowd.started.reached(4);
      assert.equal(crowd.now, 4);
      const before = await app.inspect().stats();
      assert(!('error' in (before[node] ?? { error: 1 })), JSON.stringify(before));
      const stats = before[node];
      assert(stats !== undefined && 'running' in stats);
      assert.equal(stats.running, 4);
      const replies = await app.control.addConsumer('celeriac', { concurrency: 8, timeout: '10s' });
      assert.deepEqual(Object.keys(replies), [node]);
      await crowd.started.reached(8);
      assert.equal(crowd.now, 8);
      assert.deepEqual((await app.inspect({ timeout: '10s' }).activeQueues())[node], [
        { name: 'celeriac', concurrency: 8 },
      ]);
      crowd.release(8);
      for (const result of sent) {
        assert.deepEqual(await result.get({ timeout: '20s' }), { retries: 0, deliveries: 1 });
      }
      assert.equal(crowd.started.count, 8);
      assert.deepEqual(
        lines.filter(({ message }) => /lost the lock/.test(message)),
        [],
      );
    });

    it('pool-grow adds slots at once; pool-shrink lets running tasks finish and does not replace them', async (t) => {
      const { app, worker } = ground.app(t);
      const crowd = new Crowd();
      const task = app.task('long', () => crowd.stay());
      const { node } = await worker({ concurrency: 2 });
      const sent = await Promise.all(Array.from({ length: 10 }, () => task.delay()));
      await crowd.started.reached(2);
      await app.control.poolGrow(3, { timeout: '10s' });
      await crowd.started.reached(5);
      assert.equal(crowd.now, 5);
      await app.control.poolShrink(4, { timeout: '10s' });
      assert.equal(crowd.now, 5, 'nobody was stopped');
      crowd.release(4);
      await until(() => crowd.now === 1, 'the four to leave');
      crowd.release(1);
      await crowd.started.reached(6);
      await until(() => crowd.now === 1, 'one at a time');
      assert.equal(crowd.started.count, 6);
      const tooFar = await app.control.poolShrink(2, { timeout: '10s' });
      assert.match((tooFar[node] as { error: string }).error, /only 1 slot/);
      await app.control.poolGrow(9, { timeout: '10s' });
      await crowd.started.reached(10);
      crowd.release(10);
      await Promise.all(sent.map((result) => result.get({ timeout: '20s' })));
      assert.equal(crowd.most, 5);
    });

    it('two queues on one budget never exceed it, and neither starves', async (t) => {
      const { app, worker } = ground.app(t);
      let [now, most] = [0, 0];
      const order: string[] = [];
      const task = app.task('short', async (queue: string) => {
        order.push(queue);
        now++;
        most = Math.max(most, now);
        await new Promise((resolve) => setTimeout(resolve, 2));
        now--;
      });
      const names = ['a', 'b'];
      const sent = await Promise.all(
        Array.from({ length: 80 }, (_, i) => {
          const queue = names[i % 2] ?? 'a';
          return task.applyAsync([queue], { queue });
        }),
      );
      await worker({ queues: names, concurrency: 3 });
      await Promise.all(sent.map((result) => result.get({ timeout: '30s' })));
      assert(most <= 3, `${most} at once`);
      assert(most > 1, 'the budget was used');
      assert.deepEqual(new Set(order.slice(0, 40)), new Set(names), 'both were served in the first half');
    });

    it('a queue with slots of its own leaves the shared budget to the others', async (t) => {
      const { app, worker } = ground.app(t);
      const [mine, shared] = [new Crowd(), new Crowd()];
      const own = app.task('own', () => mine.stay());
      const others = app.task('others', () => shared.stay());
      await worker({ queues: ['shared'], concurrency: 2 });
      await app.control.addConsumer('own', { concurrency: 3, timeout: '10s' });
      const sent = await Promise.all([
        ...Array.from({ length: 5 }, () => own.applyAsync([], { queue: 'own' })),
        ...Array.from({ length: 5 }, () => others.applyAsync([], { queue: 'shared' })),
      ]);
      await mine.started.reached(3);
      await shared.started.reached(2);
      assert.deepEqual([mine.now, shared.now], [3, 2]);
      const done = Promise.all(sent.map((result) => result.get({ timeout: '20s' })));
      const releasing = setInterval(() => {
        mine.release(1);
        shared.release(1);
      }, 5);
      t.after(() => clearInterval(releasing));
      await done;
      assert.deepEqual([mine.most, shared.most], [3, 2]);
    });

    it('cancel-consumer: the queue is left alone, what runs finishes', async (t) => {
      const { app, worker } = ground.app(t);
      const crowd = new Crowd();
      const task = app.task('long', () => crowd.stay());
      const { node } = await worker({ queues: ['stays', 'goes'], concurrency: 4 });
      const running = await task.applyAsync([], { queue: 'goes' });
      await crowd.started.reached(1);
      await app.control.cancelConsumer('goes', { timeout: '10s' });
      const left = await task.applyAsync([], { queue: 'goes' });
      const taken = await task.applyAsync([], { queue: 'stays' });
      await crowd.started.reached(2);
      crowd.release(2);
      await Promise.all([running.get({ timeout: '20s' }), taken.get({ timeout: '20s' })]);
      assert.equal((await left.snapshot()).deliveries, 0);
      const again = await app.control.cancelConsumer('goes', { timeout: '10s' });
      assert.match((again[node] as { error: string }).error, /"goes" is not consumed/);
      await app.control.addConsumer('goes', { timeout: '10s' });
      await crowd.started.reached(3);
      crowd.release(1);
      await left.get({ timeout: '20s' });
    });
  });
});

describe('Remote control', () => {
  onEveryEngine((ground) => {
    it('every worker answers: ping, registered, active, stats, queues', async (t) => {
      const { app, worker, twin } = ground.app(t);
      const crowd = new Crowd();
      const task = app.task('busy', (_n: number) => crowd.stay());
      app.task('idle', () => 1);
      const other = twin();
      other.task('elsewhere', () => 1);
      const first = await worker({ name: 'first@%h', concurrency: 3 });
      const second = await startWorker(other, { name: 'second@%h', queues: ['side'], concurrency: 5 });
      const from = twin();
      const ask = { timeout: '10s' } as const;
      assert.deepEqual(await from.inspect(ask).ping(), { [first.node]: 'pong', [second.node]: 'pong' });
      assert.deepEqual(await from.control.ping(ask), { [first.node]: 'pong', [second.node]: 'pong' });
      assert.deepEqual(await from.inspect(ask).registered(), {
        [first.node]: ['busy', 'idle'],
        [second.node]: ['elsewhere'],
      });
      const sent = await task.delay(7);
      await crowd.started.reached(1);
      const active = await from.inspect(ask).active();
      assert.deepEqual(active[second.node], []);
      const [report] = active[first.node] as unknown as [Record<string, unknown>];
      const { startedAt, ...rest } = report;
      assert(!Number.isNaN(Date.parse(String(startedAt))));
      assert.deepEqual(rest, {
        id: sent.id,
        name: 'busy',
        args: [7],
        queue: 'celeriac',
        retries: 0,
        deliveries: 1,
        pid: process.pid,
      });
      crowd.release(1);
      await sent.get({ timeout: '20s' });
      const stats = (await from.inspect(ask).stats())[first.node];
      assert(stats !== undefined && 'processed' in stats);
      assert.deepEqual(stats.processed, { busy: 1 });
      assert.deepEqual(
        [stats.pid, stats.pool, stats.concurrency, stats.running],
        [process.pid, 'async', 3, 0],
      );
      assert.deepEqual(stats.queues, [{ name: 'celeriac', concurrency: 3 }]);
      assert.deepEqual(await from.inspect(ask).activeQueues(), {
        [first.node]: [{ name: 'celeriac', concurrency: 3 }],
        [second.node]: [{ name: 'side', concurrency: 5 }],
      });
    });

    it('destination asks those named alone, and gives nothing for a name that nobody has', async (t) => {
      const { app, worker } = ground.app(t);
      const a = await worker({ name: 'a' });
      await worker({ name: 'b' });
      const only = { destination: ['a'], timeout: '10s' };
      assert.deepEqual(await app.control.ping(only), { [a.node]: 'pong' });
      await app.control.poolGrow(2, only);
      const stats = await app.inspect({ timeout: '10s' }).stats();
      assert.deepEqual(
        Object.entries(stats)
          .map(([node, reply]) => [node, 'concurrency' in reply && reply.concurrency])
          .sort(),
        [
          ['a', 12],
          ['b', 10],
        ],
      );
      assert.deepEqual(await app.control.ping({ destination: ['c'], timeout: '1h' }), {});
      await assert.rejects(app.control.ping({ destination: 'a' as never }), /must be a list of node names/);
      await assert.rejects(app.control.ping({ destinations: ['a'] } as never), /Did you mean "destination"/);
    });

    it('nobody there: an empty answer at once', async (t) => {
      const { app } = ground.app(t);
      assert.deepEqual(await app.control.ping({ timeout: '1h' }), {});
    });

    it('two workers of one name: the first keeps it, the second gets a suffix', async (t) => {
      const { app, worker } = ground.app(t);
      app.task('x', () => 1);
      const first = await worker({ name: 'twin' });
      const second = await worker({ name: 'twin' });
      assert.equal(first.node, 'twin');
      assert.notEqual(second.node, 'twin');
      assert.match(second.node, /^twin.+/);
      const replies = await app.control.ping({ timeout: '10s' });
      assert.deepEqual(Object.keys(replies).sort(), [first.node, second.node].sort());
    });

    it('wrong values are refused here, before anybody is asked', async (t) => {
      const { app } = ground.app(t);
      await assert.rejects(app.control.poolGrow(0), { code: 'OPTION' });
      await assert.rejects(app.control.poolShrink(1.5), { code: 'OPTION' });
      await assert.rejects(app.control.addConsumer('a:b'), { code: 'OPTION' });
      await assert.rejects(app.control.addConsumer('a', { concurrency: 0 }), { code: 'OPTION' });
      assert.throws(() => app.inspect({ wait: 1 } as never), { code: 'OPTION' });
      const waiting = await app.sendTask('x');
      for (const wrong of [{ timeout: 'soon' }, { destination: 'a' }, { destinations: ['a'] }] as never[]) {
        await assert.rejects(app.control.pause('celeriac', wrong), { code: 'OPTION' });
        await assert.rejects(app.control.revoke(waiting.id, wrong), { code: 'OPTION' });
        await assert.rejects(app.control.rateLimit('x', '1/h', wrong), { code: 'OPTION' });
      }
      assert.equal((await app.queues.get('celeriac')).paused, false);
      assert.equal(await waiting.status, 'PENDING');
    });

    it('shutdown stops a worker warmly', async (t) => {
      const { app, worker } = ground.app(t);
      const [started, finish] = [gate(), gate()];
      const task = app.task('running', async () => {
        started.open();
        await finish.opened;
        return 'finished';
      });
      const stopping = await worker({ shutdownTimeout: '20s' });
      const sent = await task.delay();
      await started.opened;
      await app.control.shutdown({ timeout: '10s' });
      await until(() => stopping.stopping, 'the shutdown');
      finish.open();
      assert.equal(await sent.get({ timeout: '20s' }), 'finished');
      await stopping.stop();
    });
  });
});
