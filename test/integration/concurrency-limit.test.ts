import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Celeriac, OptionError } from 'celeriac';
import { Redis } from 'ioredis';
import { partsOf } from '#src/app.js';
import { Counter, gate, onEveryEngine, pause, startProgram, testApp, until } from '../support/app.js';
import { type RedisServer, startRedis } from '../support/redis.js';

const WORKER = new URL('./programs/limited-worker.js', import.meta.url);

/** A busy machine is no broker that is away. */
const PATIENT = { publishRetry: '20s' };

describe('A concurrency limit', () => {
  onEveryEngine((ground) => {
    it('with a key is never exceeded, reached, and counts each key by itself', async (t) => {
      const { app, worker } = ground.app(t, PATIENT);
      const rooms = new Rooms();
      const visit = app.task(
        'visit',
        { concurrency: { limit: 2, key: (room: string) => room } },
        async (room: string, n: number) => {
          await rooms.visit(room);
          return n;
        },
      );
      await worker({ name: 'one' });
      await worker({ name: 'two' });
      const sent = await Promise.all(range(30).map((n) => visit.delay(n % 2 ? 'a' : 'b', n)));
      const parked = async () => (await partsOf(app).engine.readDelayed(['celeriac'], 30)).length;
      await until(async () => (await parked()) === 26 && rooms.visits === 4, 'all others to be sent away');
      rooms.open();
      assert.deepEqual(await Promise.all(sent.map((result) => result.get({ timeout: '60s' }))), range(30));
      assert.equal(rooms.most('a'), 2);
      assert.equal(rooms.most('b'), 2);
    });

    it('without a key counts every call, wherever it came from, and others go on', async (t) => {
      const { app, worker, twin } = ground.app(t, PATIENT);
      const rooms = new Rooms();
      const visit = app.task('visit', { concurrency: { limit: 3 } }, () => rooms.visit('any'));
      const free = app.task('free', (n: number) => n);
      await worker({ name: 'one' });
      await worker({ name: 'two' });
      const caller = twin();
      const sent = await Promise.all(
        range(24).map((n) => (n % 4 ? visit.delay() : caller.sendTask('visit'))),
      );
      const others = await Promise.all(range(20).map((n) => free.delay(n)));
      assert.deepEqual(await Promise.all(others.map((r) => r.get({ timeout: '60s' }))), range(20));
      await until(() => rooms.visits >= 3, 'full rooms');
      rooms.open();
      await Promise.all(sent.map((result) => result.get({ timeout: '60s' })));
      assert.ok(rooms.most('any') <= 3, `${rooms.most('any')} at once`);
      assert.equal(rooms.visits, 24);
    });

    it('gives places first come, first served, and keeps none for a task that failed or retries', async (t) => {
      const { app, worker } = ground.app(t, PATIENT);
      const open = gate();
      const inside = new Counter();
      const order: number[] = [];
      const visit = app.task(
        'visit',
        {
          concurrency: { limit: 1, key: () => 'one' },
          defaultRetryDelay: 1,
          maxRetries: 1,
          autoretryFor: true,
        },
        async function (n: number) {
          inside.add();
          if (n === 0) await open.opened;
          if (this.request.retries === 0) order.push(n);
          if (n === 1) throw new Error('fails twice');
        },
      );
      await worker();
      const results = [await visit.delay(0)];
      await inside.reached(1);
      const parked = async () => (await partsOf(app).engine.readDelayed(['celeriac'], 10)).length;
      for (const n of [1, 2, 3, 4]) {
        results.push(await visit.delay(n));
        await until(async () => (await parked()) === n, `task ${n} to be parked`);
      }
      open.open();
      await Promise.all(results.map((result) => result.get({ timeout: '60s', propagate: false })));
      assert.deepEqual(order, [0, 1, 2, 3, 4]);
    });
  });

  it('costs a task as many commands and bytes among 450 as among 10, also when hundreds come at once', async (t) => {
    const redis = await startRedis();
    const meter = new Redis(redis.url);
    const open = gate();
    t.after(() => open.open());
    const { app, prefix, worker } = testApp(t, { broker: redis.url, lockDuration: '10m' });
    // After the app.
    t.after(() => {
      meter.disconnect();
      return redis.close();
    });
    const passed = new Counter();
    const visit = app.task(
      'visit',
      { concurrency: { limit: 500, key: () => 'one' }, ignoreResult: true },
      async (stay: boolean) => {
        if (stay) await open.opened;
        else passed.add();
      },
    );
    const holders = `${prefix}:~h:["visit","one"]`;
    const inside = (count: number) =>
      until(async () => (await meter.zcard(holders)) === count, `${count} to be inside`);
    const send = (count: number, stay: boolean) => Promise.all(range(count).map(() => visit.delay(stay)));
    /** Never more at once than there are places for. */
    const pass = async (among: number) => {
      for (const _ of range(5)) {
        const before = passed.count;
        await send(40, false);
        await passed.reached(before + 40);
        await inside(among);
      }
    };
    await worker({ concurrency: 600 });
    await send(10, true);
    await inside(10);
    const few = await spent(meter, () => pass(10));
    const burst = await spent(meter, async () => {
      await send(440, true);
      await inside(450);
    });
    const many = await spent(meter, () => pass(450));
    t.diagnostic(JSON.stringify({ few, burst, many }));
    open.open();
    await inside(0);
    assert.ok(few.commands / 200 < 8, `${few.commands / 200} commands a task`);
    assert.ok(burst.commands / 440 < 8, `${burst.commands / 440} commands a task that comes with many`);
    assert.ok(many.commands < few.commands * 1.2, `${many.commands} commands, ${few.commands} among few`);
    assert.ok(many.bytes < few.bytes * 1.3, `${many.bytes} bytes, ${few.bytes} among few`);
  });

  it('is refused where it is written', async () => {
    const app = new Celeriac('wrong');
    const wrong = [{}, { limit: 0 }, { limit: 1.5 }, { limit: 1, key: 'x' }, { limits: 1 }, 3];
    for (const concurrency of wrong) {
      assert.throws(() => app.task('x', { concurrency: concurrency as never }, () => 1), OptionError);
    }
    await app.close();
  });

  describe('over worker processes of which some are killed', () => {
    let redis: RedisServer;
    let ledger: Redis;
    before(async () => {
      redis = await startRedis();
      ledger = new Redis(redis.url);
    });
    after(async () => {
      ledger.disconnect();
      await redis.close();
    });

    for (const name of ['keyed', 'unkeyed'] as const) {
      const limit = name === 'keyed' ? 2 : 3;
      it(`gives a killed holder's place to the next and never more than ${limit} (${name})`, async (t) => {
        const { app, prefix } = testApp(t, { broker: redis.url, publishRetry: '20s' });
        const visit = (hold: boolean) => app.sendTask(name, [name, hold]);
        const start = async () => {
          const program = startProgram(t, WORKER, [redis.url, prefix, '2s']);
          await program.message((message) => message === 'ready');
          return program;
        };
        const doomed = await start();
        const held = await Promise.all(range(limit).map(() => visit(true)));
        await until(() => doomed.messages.length > limit, 'every place to be held');
        const waiting = await Promise.all(range(12).map(() => visit(false)));
        const survivor = await start();
        assert.equal(Number(await ledger.get(`in:${name}`)), limit);
        // Killed without a word; those it held are to run again, and nobody else before their locks are out.
        await Promise.all(held.map((result) => result.revoke()));
        doomed.child.kill('SIGKILL');
        await ledger.set(`in:${name}`, 0);
        await Promise.all(waiting.map((result) => result.get({ timeout: '60s' })));
        const visits = (await ledger.lrange(`visits:${name}`, 0, -1)).map(
          (text) => JSON.parse(text) as { inside: number; pid: number },
        );
        const later = visits.filter(({ pid }) => pid === survivor.child.pid);
        assert.equal(later.length, 12);
        assert.ok(Math.max(...later.map(({ inside }) => inside)) <= limit);
      });
    }
  });
});

/** What programs asked of the server meanwhile, but for what the test itself asks. */
async function spent(meter: Redis, body: () => Promise<void>): Promise<{ commands: number; bytes: number }> {
  const look = async () => {
    const stats = [...(await meter.info('commandstats')).matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)];
    const calls = new Map(stats.map(([, command = '', count]) => [command, Number(count)]));
    const [, bytes] = /^total_net_input_bytes:(\d+)/m.exec(await meter.info('stats')) ?? [];
    return { commands: (calls.get('evalsha') ?? 0) + (calls.get('hmget') ?? 0), bytes: Number(bytes) };
  };
  const before = await look();
  await body();
  const after = await look();
  return { commands: after.commands - before.commands, bytes: after.bytes - before.bytes };
}

/** How many were in each room at once. The first to come stay until it is opened. */
class Rooms {
  visits = 0;
  readonly #gate = gate();
  readonly #inside = new Map<string, number>();
  readonly #most = new Map<string, number>();

  open(): void {
    this.#gate.open();
  }

  async visit(room: string): Promise<void> {
    this.visits++;
    const inside = (this.#inside.get(room) ?? 0) + 1;
    this.#inside.set(room, inside);
    this.#most.set(room, Math.max(inside, this.most(room)));
    await this.#gate.opened;
    await pause(2);
    this.#inside.set(room, (this.#inside.get(room) ?? 0) - 1);
  }

  most(room: string): number {
    return this.#most.get(room) ?? 0;
  }
}

function range(n: number): number[] {
  return [...Array(n).keys()];
}
