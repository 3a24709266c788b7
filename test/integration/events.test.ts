/**
 * Events: what happens to tasks and workers, heard in this process and from the whole fleet.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type AppEvent,
  type Celeriac,
  type EventsLost,
  type FleetEvent,
  OptionError,
  Reject,
} from 'celeriac';
import { Redis } from 'ioredis';
import { partsOf } from '#src/app.js';
import { gate, onEveryEngine, rejection, startProgram, testApp, until, within } from '../support/app.js';
import { startRedis } from '../support/redis.js';

/** A loop over the fleet's events, which ends with its test. */
class Heard {
  readonly all: FleetEvent[] = [];
  readonly ended: Promise<void>;
  readonly #stop = new AbortController();

  constructor(t: { after(body: () => void): void }, app: Celeriac) {
    const events = app.events({ signal: this.#stop.signal });
    this.ended = (async () => {
      for await (const event of events) this.all.push(event);
    })();
    this.ended.catch(() => undefined);
    t.after(() => this.stop());
  }

  stop(): void {
    this.#stop.abort();
  }

  of(id: string): AppEvent[] {
    return this.all.filter((event): event is AppEvent => 'id' in event && event.id === id);
  }

  types(id: string): string[] {
    return this.of(id).map(({ type }) => type);
  }

  until(id: string, type: AppEvent['type']): Promise<AppEvent> {
    return this.#find((event) => event.type === type && 'id' in event && event.id === id, `${type} of ${id}`);
  }

  untilWorker(type: AppEvent['type'], node: string): Promise<AppEvent> {
    return this.#find(
      (event) => event.type === type && 'node' in event && event.node === node,
      `${type} of ${node}`,
    );
  }

  async #find(matches: (event: FleetEvent) => boolean, what: string): Promise<AppEvent> {
    const found = await until(() => this.all.find(matches), what);
    assert.ok(found !== undefined && found.type !== 'events-lost');
    return found;
  }
}

const RAN = ['task-sent', 'task-received', 'task-started', 'task-succeeded'];

describe('Events', () => {
  onEveryEngine(
    (ground) => {
      it('of the fleet tell of a task from its call to its end, in this order, wherever it runs', async (t) => {
        const { app, twin, worker } = ground.app(t);
        const caller = twin();
        const watcher = twin();
        const add = app.task('add', (a: number, b: number) => a + b);
        const node = (await worker({ name: 'one@here' })).node;
        const sum = caller.tasks<{ add(a: number, b: number): number }>()({ add: 'add' }).add;
        await (await sum.delay(1, 1)).get({ timeout: '30s' });
        const heard = new Heard(t, watcher);
        await heard.untilWorker('worker-heartbeat', node);
        const ids: string[] = [];
        for (let n = 0; n < 20; n++) ids.push((await sum.delay(n, n)).id);
        ids.push((await add.delay(3, 4)).id);
        for (const id of ids) await heard.until(id, 'task-succeeded');
        for (const id of ids) assert.deepEqual(heard.types(id), RAN);
        const [sent, received, started, succeeded] = heard.of(ids[0] ?? '') as [
          AppEvent,
          AppEvent,
          AppEvent,
          AppEvent,
        ];
        for (const event of [sent, received, started, succeeded]) {
          assert.ok('id' in event && event.name === 'add' && event.queue === 'celeriac');
          assert.ok(Math.abs(event.timestamp - Date.now()) < 60_000);
        }
        assert.ok(received.type === 'task-received' && received.node === node && received.rootId === ids[0]);
        assert.ok(succeeded.type === 'task-succeeded' && succeeded.runtime >= 0);
        assert.ok(!JSON.stringify([sent, received, started, succeeded]).includes('args'));
      });

      it('tell of all tasks of a list that is the first thing its process sends', async (t) => {
        const { app, twin } = ground.app(t);
        const heard = new Heard(t, app);
        await (await app.sendTask('warm')).status;
        const caller = twin();
        const note = caller.task('note', (n: number) => n);
        for (const { id } of await caller.publish([note.s(1), note.s(2)])) await heard.until(id, 'task-sent');
      });

      it('tell of progress, retries, failures, refusals and revocations, and of what a task calls', async (t) => {
        const { app, worker } = ground.app(t);
        const heard = new Heard(t, app);
        const child = app.task('child', () => 'grown');
        const parent = app.task('parent', async function () {
          await this.updateState('PROGRESS', { percent: 50 });
          return (await child.delay()).id;
        });
        const flaky = app.task('flaky', { maxRetries: 1, retryDelay: () => 1, autoretryFor: true }, () => {
          throw new RangeError('out of it');
        });
        const refuses = app.task('refuses', () => {
          throw new Reject('not mine');
        });
        await worker();
        const results = await Promise.all([parent.delay(), flaky.delay(), refuses.delay()]);
        const revoked = await child.applyAsync([], { countdown: '1h' });
        await revoked.revoke({ reason: 'no need' });
        const [ofParent, ofFlaky, ofRefuses] = results.map(({ id }) => id) as [string, string, string];
        await heard.until(ofParent, 'task-succeeded');
        const progress = await heard.until(ofParent, 'task-progress');
        assert.ok(progress.type === 'task-progress' && progress.state === 'PROGRESS');
        assert.deepEqual(progress.meta, { percent: 50 });
        const childId = (await results[0]?.get()) as string;
        await heard.until(childId, 'task-succeeded');
        const [childSent] = heard.of(childId);
        assert.ok(
          childSent?.type === 'task-sent' && childSent.parentId === ofParent && childSent.rootId === ofParent,
        );
        const failed = await heard.until(ofFlaky, 'task-failed');
        assert.ok(
          failed.type === 'task-failed' &&
            failed.exception === 'RangeError: out of it' &&
            failed.retries === 1,
        );
        assert.deepEqual(heard.types(ofFlaky), [
          ...RAN.slice(0, 3),
          'task-retried',
          'task-received',
          'task-started',
          'task-failed',
        ]);
        await heard.until(ofRefuses, 'task-failed');
        assert.deepEqual(heard.types(ofRefuses).slice(3), ['task-rejected', 'task-failed']);
        const gone = await heard.until(revoked.id, 'task-revoked');
        assert.ok(
          gone.type === 'task-revoked' && gone.reason === 'no need' && !gone.terminated && !gone.expired,
        );
        assert.ok(!heard.types(revoked.id).includes('task-started'));
      });

      it('that a task sends itself are heard in its process and in the fleet, and sealed ones where they can be read', async (t) => {
        const seal = (text: string) => Buffer.from(text).toString('base64');
        const serializer = {
          name: 'sealing',
          encode: (value: unknown) => seal(JSON.stringify(value)),
          decode: (sealed: unknown) =>
            JSON.parse(Buffer.from(String(sealed), 'base64').toString()) as unknown,
        };
        for (const sealing of [false, true]) {
          const { app, twin, worker } = ground.app(t, sealing ? { serializer } : {});
          const [friend, stranger] = [new Heard(t, twin()), new Heard(t, twin({ serializer: 'json' }))];
          const here: object[] = [];
          app.on('order-packed' as 'task-sent', (event) => void here.push(event));
          const pack = app.task('pack', async function (orderId: string) {
            await this.sendEvent('order-packed', { orderId });
          });
          const { node } = await worker({ name: 'one@here' });
          await friend.untilWorker('worker-heartbeat', node);
          await stranger.untilWorker('worker-heartbeat', node);
          const { id } = await pack.delay('7');
          const packed = 'order-packed' as 'task-sent';
          const [one, other] = [await friend.until(id, packed), await stranger.until(id, packed)];
          await friend.until(id, 'task-succeeded');
          assert.deepEqual(friend.types(id), [...RAN.slice(0, 3), 'order-packed', 'task-succeeded']);
          const { timestamp, ...event } = one as AppEvent & { orderId: string };
          assert.ok(Math.abs(timestamp - Date.now()) < 60_000);
          const head = {
            type: 'order-packed',
            id,
            name: 'pack',
            queue: 'celeriac',
            node,
            pid: process.pid,
            retries: 0,
          };
          assert.deepEqual(event, { ...head, orderId: '7' });
          assert.deepEqual(other, { timestamp, ...head, ...(!sealing && { orderId: '7' }) });
          assert.deepEqual(here, [{ timestamp, ...event }]);
        }
      });

      it('say that a task has ended only once that can be read', async (t) => {
        const { app, worker } = ground.app(t);
        const states: Promise<string>[] = [];
        const task = app.task('quick', () => 1);
        app.on('task-succeeded', ({ id }) => states.push(app.result(id).status));
        await worker();
        for (let n = 0; n < 20; n++) await (await task.delay()).get({ timeout: '30s' });
        await until(() => states.length === 20, 'twenty ends');
        assert.deepEqual(new Set(await Promise.all(states)), new Set(['SUCCESS']));
      });

      it('tell of workers that come, live and go, with what they do', async (t) => {
        const { twin } = ground.app(t);
        const heard = new Heard(t, twin());
        const host = twin();
        const busy = gate();
        const task = host.task('busy', () => busy.opened);
        const worker = host.worker({ name: 'two@here', concurrency: 3 });
        // The loop has begun once a first worker was heard, which must not take the other's task.
        const first = twin().worker({ name: 'first@here', queues: ['others'] });
        await first.start();
        await heard.untilWorker('worker-heartbeat', 'first@here');
        await worker.start();
        await task.delay();
        const online = await heard.untilWorker('worker-online', 'two@here');
        assert.ok(online.type === 'worker-online' && online.concurrency === 3 && online.pid === process.pid);
        await until(
          () =>
            heard.all.some((e) => e.type === 'worker-heartbeat' && e.node === 'two@here' && e.active === 1),
          'a heartbeat with a running task',
        );
        // Slots of a queue's own are slots as well; shared ones that no queue uses any more are none.
        const heartbeat = (concurrency: number, queues: readonly string[]) =>
          until(
            () =>
              heard.all.some(
                (e) =>
                  e.type === 'worker-heartbeat' &&
                  e.node === 'two@here' &&
                  e.concurrency === concurrency &&
                  e.queues.join() === queues.join(),
              ),
            `a heartbeat with ${concurrency} slots`,
          );
        const there = { destination: ['two@here'], timeout: '20s' } as const;
        await host.control.addConsumer('mail', { ...there, concurrency: 8 });
        await heartbeat(11, ['celeriac', 'mail']);
        await host.control.addConsumer('celeriac', { ...there, concurrency: 5 });
        await heartbeat(13, ['celeriac', 'mail']);
        busy.open();
        await worker.stop();
        const offline = await heard.untilWorker('worker-offline', 'two@here');
        assert.ok(offline.type === 'worker-offline' && offline.processed === 1);
      });

      it('have arguments, results and stacks where the app says so, cut to what an event can carry', async (t) => {
        const { app, worker } = ground.app(t, { eventDetails: ['args', 'result', 'stack'] });
        const heard = new Heard(t, app);
        const echo = app.task('echo', (value: unknown) => value);
        const fails = app.task('fails', { maxRetries: 1, retryDelay: () => 1, autoretryFor: true }, () => {
          throw new RangeError('out of it');
        });
        await worker();
        const long = 'ä'.repeat(20_000);
        const results = [await echo.delay({ a: [1] }), await echo.delay(long), await fails.delay()];
        const [small, large, failing] = results.map(({ id }) => id) as [string, string, string];
        const get = (event: AppEvent, field: string) => Reflect.get(event, field) as unknown;
        const succeeded = await heard.until(small, 'task-succeeded');
        assert.deepEqual(get(succeeded, 'result'), { a: [1] });
        for (const type of ['task-sent', 'task-received'] as const)
          assert.deepEqual(get(await heard.until(small, type), 'args'), [{ a: [1] }]);
        assert.match(
          String(get(await heard.until(large, 'task-succeeded'), 'result')),
          /^ä+ … \[cut; 20000 characters\]$/,
        );
        assert.match(String(get(await heard.until(large, 'task-received'), 'args')), /^ä+ … \[cut/);
        for (const type of ['task-retried', 'task-failed'] as const)
          assert.match(
            String(get(await heard.until(failing, type), 'stack')),
            /^RangeError: out of it\n {4}at /,
          );
      });

      it('make a live picture of the fleet, which begins with what runs already', async (t) => {
        const { app, twin, worker } = ground.app(t);
        const [begun, finish] = [gate(), gate()];
        const long = app.task('long', async () => {
          begun.open();
          await finish.opened;
        });
        const quick = app.task('quick', { maxRetries: 0 }, (fails: boolean) => {
          if (fails) throw new RangeError('out of it');
        });
        const running = await worker({ name: 'one@here', concurrency: 3 });
        const { id } = await long.delay();
        await begun.opened;
        const fleet = twin().fleet();
        await fleet.ready;
        const { workers, tasks, complete } = fleet.snapshot();
        assert.equal(complete, true);
        assert.deepEqual(
          workers.map(({ node, alive, active, concurrency, queues }) => ({
            node,
            alive,
            active,
            concurrency,
            queues,
          })),
          [{ node: 'one@here', alive: true, active: 1, concurrency: 3, queues: ['celeriac'] }],
        );
        assert.deepEqual(
          tasks.map((task) => [task.id, task.name, task.state, task.node]),
          [[id, 'long', 'STARTED', 'one@here']],
        );
        const [good, bad] = [await quick.delay(false), await quick.delay(true)];
        await until(() => fleet.task(good.id)?.state === 'SUCCESS', 'the end of the good one');
        await until(() => fleet.task(bad.id)?.state === 'FAILURE', 'the end of the bad one');
        assert.equal(fleet.task(bad.id)?.exception, 'RangeError: out of it');
        const { sentAt, startedAt, endedAt } = fleet.task(good.id) ?? {};
        assert.ok(sentAt && startedAt && endedAt && startedAt <= endedAt);
        finish.open();
        await until(() => fleet.task(id)?.state === 'SUCCESS', 'the end of the long one');
        await running.stop();
        await until(() => fleet.worker('one@here')?.alive === false, 'the end of the worker');
        await fleet.close();
        assert.equal(fleet.snapshot().counts['task-failed'], 1);
      });

      it('say that a worker was lost once it is not heard any more, and only then', async (t) => {
        const { app, worker } = ground.app(t);
        const heard = new Heard(t, app);
        const { node } = await worker();
        await heard.untilWorker('worker-heartbeat', node);
        const { engine, clock } = partsOf(app);
        const beat = {
          type: 'worker-heartbeat',
          timestamp: clock.now(),
          node: 'dead@there',
          pid: 7,
          freq: 50,
        };
        await engine.broadcast.publish([JSON.stringify({ from: 'dead', at: 0, events: [beat] })]);
        const lost = await heard.untilWorker('worker-lost', 'dead@there');
        assert.ok(lost.type === 'worker-lost' && lost.pid === 7 && lost.seenAt === beat.timestamp);
        assert.deepEqual(
          heard.all.filter(({ type }) => type === 'worker-lost'),
          [lost],
        );
      });

      it('of this process reach app.on, never hurt a task, and end with the function it gave', async (t) => {
        const { app, worker, lines } = ground.app(t);
        const seen: string[] = [];
        const off = app.on('task-succeeded', ({ name, node, runtime }) => {
          seen.push(`${name} on ${node}`);
          assert.ok(runtime >= 0);
        });
        app.on('task-sent', () => {
          throw new Error('a bad listener');
        });
        app.on('task-started', async () => {
          throw new Error('a bad promise');
        });
        const task = app.task('heard', () => 'fine');
        await worker({ name: 'three@here' });
        assert.equal(await (await task.delay()).get({ timeout: '30s' }), 'fine');
        await until(() => seen.length === 1, 'the listener');
        assert.deepEqual(seen, ['heard on three@here']);
        const complaints = lines.filter(({ message }) => message.includes('a listener of app.on'));
        assert.deepEqual(complaints.map(({ fields }) => fields['event']).sort(), [
          'task-sent',
          'task-started',
        ]);
        off();
        off();
        await (await task.delay()).get({ timeout: '30s' });
        assert.equal(seen.length, 1);
        assert.throws(() => app.on('task-suceeded' as 'task-sent', () => undefined), {
          message: /Did you mean "task-succeeded"/,
        });
        assert.throws(() => app.on('task-sent', 7 as never), OptionError);
      });

      it('beyond what a slow loop can take are dropped, and their number told', async (t) => {
        const { app } = ground.app(t);
        const stop = new AbortController();
        const events = app.events({ signal: stop.signal });
        const task = app.task('many', () => undefined);
        const MANY = 10_400;
        for (let sent = 0; sent < MANY; sent += 400) {
          await Promise.all(Array.from({ length: 400 }, () => task.delay()));
        }
        let told = 0;
        let lost: EventsLost | undefined;
        for await (const event of events) {
          if (event.type === 'task-sent') told++;
          if (event.type === 'events-lost') {
            lost = event;
            break;
          }
        }
        assert.ok(lost !== undefined);
        assert.equal(told + lost.count, MANY);
        assert.equal(told, 10_000);
      });

      it('end quietly with the signal and with the app, and refuse what cannot be', async (t) => {
        const { app, twin } = ground.app(t);
        const heard = new Heard(t, app);
        heard.stop();
        await within(heard.ended, 'the end of the loop');
        const other = twin();
        const second = new Heard(t, other);
        await other.close();
        await within(second.ended, 'the end of the loop');
        for await (const event of app.events({ signal: AbortSignal.abort() })) assert.fail(event.type);
        assert.throws(() => app.events({ sginal: 1 } as never), { message: /Did you mean "signal"/ });
      });
    },
    ['redis', 'memory', 'postgres'],
  );

  it('of a broker that cannot be reached are an error of the loop', async (t) => {
    const { app } = testApp(t, { broker: 'redis://127.0.0.1:1/0', publishRetry: '200ms' });
    const error = await rejection(new Heard(t, app).ended);
    assert.match(error.message, /127\.0\.0\.1:1/);
  });

  it('go on after the connection was lost, and the loop is told what it missed', async (t) => {
    const server = await startRedis();
    t.after(() => server.close());
    const { app, twin } = testApp(t, { broker: server.url });
    const task = app.task('steady', () => 1);
    const worker = app.worker({ name: 'steady@here' });
    await worker.start();
    const heard = new Heard(t, twin());
    await heard.untilWorker('worker-heartbeat', 'steady@here');
    const client = new Redis(server.url);
    t.after(() => client.disconnect());
    await client.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    const ids: string[] = [];
    await until(async () => {
      const sent = await task.delay();
      await sent.get({ timeout: '30s' });
      // The value may come before the events.
      return ids.push(sent.id) > 0 && ids.some((id) => heard.types(id).includes('task-succeeded'));
    }, 'events after the cut');
    const { id } = await task.delay();
    await heard.until(id, 'task-succeeded');
    assert.deepEqual(heard.types(id), RAN);
  });

  it('come from a worker that was idle and unheard when its connections were cut', async (t) => {
    const server = await startRedis();
    t.after(() => server.close());
    const { app, twin } = testApp(t, { broker: server.url });
    const task = app.task('steady', () => 1);
    await app.worker({ name: 'idle@here' }).start();
    const client = new Redis(server.url);
    t.after(() => client.disconnect());
    const listener = async () =>
      /id=(\d+) .*cmd=subscribe/.exec(String(await client.call('CLIENT', 'LIST', 'TYPE', 'pubsub')))?.[1];
    const before = await until(listener, 'the worker’s connection for notices');
    await client.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await until(async () => ((await listener()) ?? before) !== before, 'a new one, though nothing is asked');
    const heard = new Heard(t, twin());
    await heard.untilWorker('worker-heartbeat', 'idle@here');
    const { id } = await task.delay();
    await heard.until(id, 'task-succeeded');
  });

  it('are heard from other processes, and keep no script alive that only calls', async (t) => {
    const server = await startRedis();
    t.after(() => server.close());
    const { app, prefix } = testApp(t, { broker: server.url });
    const heard = new Heard(t, app);
    await (await app.sendTask('warm')).status;
    const script = startProgram(t, new URL('./programs/only-calls.js', import.meta.url), [
      server.url,
      prefix,
    ]);
    assert.equal(await within(script.ended, 'the end of the script'), 0, script.output());
    await until(() => heard.all.filter(({ type }) => type === 'task-sent').length >= 2, 'its task');
  });
});
