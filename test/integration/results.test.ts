import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  AppClosedError,
  AsyncResult,
  CeleriacError,
  currentTask,
  DuplicateTaskError,
  ResultTimeoutError,
  TaskFailedError,
  TaskRevokedError,
  UnknownTaskError,
  type Update,
} from 'celeriac';
import { gate, onEveryEngine, rejection, startProgram, until } from '../support/app.js';

describe('Calling a task and reading its result', () => {
  onEveryEngine((ground) => {
    it('gives the value the task returned', async (t) => {
      const { app, worker } = ground.app(t);
      const add = app.task('add', (a: number, b: number) => a + b);
      await worker();
      assert.equal(await (await add.delay(2, 3)).get({ timeout: '20s' }), 5);
      assert.equal(await (await add.applyAsync([4, 5])).get({ timeout: '20s' }), 9);
    });

    it('gives values of every JSON kind as they were', async (t) => {
      const { app, worker } = ground.app(t);
      const echo = app.task('echo', (value: unknown) => value);
      await worker();
      for (const value of [null, 0, -1.5, '', 'ü\u0000\ud800', [], {}, [null, { a: [1] }], false]) {
        assert.deepEqual(await (await echo.delay(value)).get({ timeout: '20s' }), value);
      }
      assert.equal(await (await echo.delay(undefined)).get({ timeout: '20s' }), undefined);
    });

    it('gives a result that was there before anybody waited', async (t) => {
      const { app, worker, twin } = ground.app(t);
      const add = app.task('add', (a: number, b: number) => a + b);
      await worker();
      const sent = await add.delay(20, 22);
      await until(() => sent.ready(), 'the end of the task');
      assert.equal(await sent.get({ timeout: '20s' }), 42);
      assert.equal(await twin().result<number>(sent.id).get({ timeout: '20s' }), 42);
    });

    it('wakes many who wait for one task, and one who waits for many', async (t) => {
      const { app, worker, twin } = ground.app(t);
      const open = gate();
      const wait = app.task('wait', async (n: number) => {
        await open.opened;
        return n;
      });
      const sent = await Promise.all(Array.from({ length: 30 }, (_, n) => wait.delay(n)));
      const elsewhere = twin();
      const all = sent.flatMap((result) => [
        result.get({ timeout: '30s' }),
        elsewhere.result<number>(result.id).get({ timeout: '30s' }),
      ]);
      await worker({ concurrency: 8 });
      open.open();
      assert.deepEqual(
        await Promise.all(all),
        sent.flatMap((_, n) => [n, n]),
      );
    });

    it('says at once that an id was never sent', async (t) => {
      const { app } = ground.app(t);
      const never = app.result('never-sent');
      await assert.rejects(never.get(), UnknownTaskError);
      assert.equal(await never.exists(), false);
      const snapshot = await never.snapshot();
      assert.equal(snapshot.known, false);
      assert.equal(snapshot.state, 'PENDING');
      await assert.rejects(async () => {
        for await (const _ of never.updates()) assert.fail('no update of an unknown task');
      }, UnknownTaskError);
    });

    it('says that a generated-looking id in a queue nobody used is unknown', async (t) => {
      const { app } = ground.app(t);
      await assert.rejects(app.result('abcdefghijkl-0@nowhere').get(), UnknownTaskError);
    });

    it('gives up waiting after the timeout while the task goes on', async (t) => {
      const { app, worker } = ground.app(t);
      const open = gate();
      const slow = app.task('slow', async () => {
        await open.opened;
        return 'done';
      });
      await worker();
      const sent = await slow.delay();
      const error = await rejection(sent.get({ timeout: 30 }));
      assert(error instanceof ResultTimeoutError);
      assert.equal(error.taskId, sent.id);
      assert.equal(error.timeoutMs, 30);
      open.open();
      assert.equal(await sent.get({ timeout: '20s' }), 'done');
    });

    it('stops waiting when its signal aborts, with the reason given', async (t) => {
      const { app } = ground.app(t);
      const sent = await app.sendTask('nobody-runs-it');
      const controller = new AbortController();
      const waiting = rejection(sent.get({ signal: controller.signal }));
      const reason = new Error('no longer interested');
      controller.abort(reason);
      assert.equal(await waiting, reason);
      assert.equal(await rejection(sent.get({ signal: AbortSignal.abort(reason) })), reason);
    });

    it('returns the error instead of throwing it with propagate: false', async (t) => {
      const { app, worker } = ground.app(t);
      const fail = app.task('fail', () => {
        throw new RangeError('too far');
      });
      await worker();
      const sent = await fail.delay();
      const returned = await sent.get({ propagate: false, timeout: '20s' });
      assert((returned as unknown) instanceof TaskFailedError);
      const error = returned as unknown as TaskFailedError;
      assert(error.cause instanceof RangeError);
      assert.equal(error.cause.message, 'too far');
      assert.equal(error.errorName, 'RangeError');
      assert.equal(error.taskId, sent.id);
      assert.equal(error.taskName, 'fail');
      assert.match(error.remoteStack ?? '', /RangeError: too far\n\s+at /);
      const thrown = await rejection(sent.get());
      assert(thrown instanceof TaskFailedError);
      assert.equal(thrown.message, error.message);
    });

    it('tells everything of a task in one snapshot', async (t) => {
      const { app, worker } = ground.app(t);
      const open = gate();
      const task = app.task('snap', async (a: string, b: { c: number }) => {
        await currentTask()?.updateState('PROGRESS', { at: 'half' });
        await open.opened;
        return [a, b.c];
      });
      const before = Date.now();
      const sent = await task.applyAsync(['x', { c: 1 }], { headers: { tenant: 'blue' }, queue: 'own' });
      const waiting = await sent.snapshot();
      assert.equal(waiting.state, 'PENDING');
      assert.equal(waiting.known, true);
      assert.equal(waiting.startedAt, undefined);
      assert.equal(waiting.doneAt, undefined);
      assert.deepEqual(waiting.args, ['x', { c: 1 }]);
      const { node } = await worker({ queues: ['own'], name: 'snapper@%h' });
      const running = await until(async () => {
        const now = await sent.snapshot();
        return now.state === 'PROGRESS' && now;
      }, 'PROGRESS');
      assert(running !== false);
      assert.deepEqual(running.meta, { at: 'half' });
      assert.equal(running.worker, node);
      assert.equal(running.value, undefined);
      assert(running.startedAt instanceof Date);
      assert.equal(running.doneAt, undefined);
      assert.deepEqual(await sent.info, { at: 'half' });
      open.open();
      await sent.get({ timeout: '20s' });
      const { sentAt, startedAt, doneAt, ...rest } = await sent.snapshot();
      assert.deepEqual(rest, {
        id: sent.id,
        name: 'snap',
        state: 'SUCCESS',
        known: true,
        meta: { at: 'half' },
        value: ['x', 1],
        error: undefined,
        args: ['x', { c: 1 }],
        queue: 'own',
        worker: node,
        retries: 0,
        deliveries: 1,
        rootId: sent.id,
        parentId: undefined,
        headers: { tenant: 'blue' },
        tags: [],
        steps: [],
      });
      assert(sentAt !== undefined && startedAt !== undefined && doneAt !== undefined);
      assert(sentAt.getTime() >= before - 1000, 'sentAt is about when it was sent');
      assert(sentAt <= startedAt && startedAt <= doneAt, 'sent, started, done');
    });

    it('offers the snapshot in pieces, each read afresh', async (t) => {
      const { app, worker } = ground.app(t);
      const flip = app.task('flip', (fine: boolean) => {
        if (!fine) throw new TypeError('not fine');
        return 'fine';
      });
      const good = await flip.delay(true);
      assert.equal(await good.status, 'PENDING');
      assert.equal(await good.ready(), false);
      assert.equal(await good.exists(), true);
      await worker();
      await good.get({ timeout: '20s' });
      assert.equal(await good.status, 'SUCCESS');
      assert.equal(await good.state, 'SUCCESS');
      assert.equal(await good.result, 'fine');
      assert.equal(await good.info, 'fine');
      assert.equal(await good.ready(), true);
      assert.equal(await good.successful(), true);
      assert.equal(await good.failed(), false);
      assert.equal(await good.traceback, undefined);
      assert((await good.dateDone) instanceof Date);
      const bad = await flip.delay(false);
      const error = await rejection(bad.get({ timeout: '20s' }));
      assert.equal(await bad.status, 'FAILURE');
      assert.equal(await bad.successful(), false);
      assert.equal(await bad.failed(), true);
      const result = await bad.result;
      assert(result instanceof TaskFailedError);
      assert.equal(result.message, error.message);
      assert.match((await bad.traceback) ?? '', /TypeError: not fine/);
    });

    it('is no thenable: awaiting a call gives the result object, not its value', async (t) => {
      const { app } = ground.app(t);
      const sent = await app.sendTask('nobody-runs-it');
      assert(sent instanceof AsyncResult);
      assert.equal('then' in sent, false);
    });

    it('tells state changes in order, the last before the end included', async (t) => {
      const { app, worker, twin } = ground.app(t);
      const step = [gate(), gate(), gate(), gate()] as const;
      const task = app.task('steps', async () => {
        await step[0].opened;
        await currentTask()?.updateState('PROGRESS', { n: 1 });
        await step[1].opened;
        await currentTask()?.updateState('ALMOST', { n: 2 });
        await step[2].opened;
        await currentTask()?.updateState('PROGRESS', { n: 3 });
        return 'end';
      });
      const sent = await task.delay();
      const seen: Update[] = [];
      for await (const update of twin().result(sent.id).updates()) {
        seen.push(update);
        if (update.state === 'PENDING') await worker();
        if (update.state === 'STARTED') step[0].open();
        if (update.state === 'PROGRESS' && seen.length === 3) step[1].open();
        if (update.state === 'ALMOST') step[2].open();
      }
      assert.deepEqual(seen, [
        { state: 'PENDING', meta: undefined },
        { state: 'STARTED', meta: undefined },
        { state: 'PROGRESS', meta: { n: 1 } },
        { state: 'ALMOST', meta: { n: 2 } },
        { state: 'PROGRESS', meta: { n: 3 } },
        { state: 'SUCCESS', meta: { n: 3 } },
      ]);
    });

    it('tells the last state and the end of a task that ended before anybody looked', async (t) => {
      const { app, worker } = ground.app(t);
      const task = app.task('quick', async () => {
        await currentTask()?.updateState('PROGRESS', { n: 1 });
        await currentTask()?.updateState('PROGRESS', { n: 2 });
      });
      await worker();
      const sent = await task.delay();
      await sent.get({ timeout: '20s' });
      const seen: Update[] = [];
      for await (const update of sent.updates()) seen.push(update);
      assert.deepEqual(seen, [
        { state: 'PROGRESS', meta: { n: 2 } },
        { state: 'SUCCESS', meta: { n: 2 } },
      ]);
    });

    it('tells updates on the way to get({ onUpdate })', async (t) => {
      const { app, worker } = ground.app(t);
      const task = app.task('progress', async () => {
        await currentTask()?.updateState('PROGRESS', { percent: 50 });
        return 'value';
      });
      await worker();
      const seen: Update[] = [];
      const sent = await task.delay();
      assert.equal(await sent.get({ timeout: '20s', onUpdate: (update) => seen.push(update) }), 'value');
      assert.deepEqual(
        seen.find(({ state }) => state === 'PROGRESS'),
        { state: 'PROGRESS', meta: { percent: 50 } },
      );
      assert.equal(seen.at(-1)?.state, 'SUCCESS');
    });

    it('keeps STARTED and shows the meta when a task sets a final state by hand', async (t) => {
      const { app, worker } = ground.app(t);
      const open = gate();
      const task = app.task('tutorial', async () => {
        await currentTask()?.updateState('SUCCESS', { all: 'done' });
        await open.opened;
        return 'returned';
      });
      await worker();
      const sent = await task.delay();
      const shown = await until(async () => {
        const now = await sent.snapshot();
        return now.meta !== undefined && now;
      }, 'the meta');
      assert(shown !== false);
      assert.equal(shown.state, 'STARTED');
      assert.deepEqual(shown.meta, { all: 'done' });
      open.open();
      assert.equal(await sent.get({ timeout: '20s' }), 'returned');
    });

    it('is rebuilt from its JSON, or its id, by an app that knows nothing else', async (t) => {
      const { app, worker, twin } = ground.app(t);
      const add = app.task('add', (a: number, b: number) => a + b);
      await worker();
      const sent = await add.delay(1, 2);
      const json: unknown = JSON.parse(JSON.stringify(sent));
      assert.equal(
        await twin()
          .result<number>(json as never)
          .get({ timeout: '20s' }),
        3,
      );
      assert.equal(await add.result(sent.id).get({ timeout: '20s' }), 3);
    });

    it('takes any string as a task id, finds the task by it, and refuses it a second time', async (t) => {
      const { app, worker, twin } = ground.app(t);
      const echo = app.task('echo', (value: string) => value);
      await worker();
      const ids = [
        'invoice-42',
        '42',
        'a:b:c',
        'mit Leerzeichen',
        '../../x',
        'ü€😀',
        '\ud800',
        '%41',
        'a@b',
        '{x}',
        '0',
      ];
      for (const taskId of ids) {
        const sent = await echo.applyAsync([taskId], { taskId });
        assert.equal(sent.id, taskId);
        assert.equal(await twin().result(taskId).get({ timeout: '20s' }), taskId);
        assert.equal((await sent.snapshot()).id, taskId);
        const error = await rejection(echo.applyAsync(['again'], { taskId }));
        assert(error instanceof DuplicateTaskError, `${taskId}: ${String(error)}`);
        assert.equal(error.taskId, taskId);
      }
      await assert.rejects(
        twin().sendTask('echo', ['x'], { taskId: '42', queue: 'another' }),
        DuplicateTaskError,
      );
    });

    it('gives one of two who claim a task id at once the task, the other DuplicateTaskError', async (t) => {
      const { app, twin } = ground.app(t);
      const other = twin();
      const attempts = [app, other, app, other].map((from) =>
        from.sendTask('x', [], { taskId: 'contested' }),
      );
      const outcomes = await Promise.allSettled(attempts);
      assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected') assert(outcome.reason instanceof DuplicateTaskError);
      }
    });

    it('gives undefined for a result nobody stored, without waiting for ever', async (t) => {
      const { app, worker, twin } = ground.app(t);
      const open = gate();
      let ran = 0;
      const silent = app.task('silent', { ignoreResult: true }, async () => {
        await open.opened;
        ran++;
        return 'unseen';
      });
      await worker();
      const sent = await silent.delay();
      const waiting = twin().result(sent.toJSON()).get({ timeout: '20s' });
      open.open();
      assert.equal(await waiting, undefined);
      assert.equal(await sent.get({ timeout: '20s' }), undefined);
      await until(() => ran === 1, 'the run');
      await until(async () => !(await sent.exists()), 'its record to go');
    });

    it('does not wait for a task that will leave no result, here or elsewhere', async (t) => {
      const { app, twin } = ground.app(t);
      const silent = app.task('silent', { ignoreResult: true }, () => 'unseen');
      const sent = await silent.delay();
      for (const result of [sent, twin().result(sent.id), twin().result(sent.toJSON())]) {
        assert.equal(await result.get({ timeout: '20s' }), undefined, 'with no worker anywhere');
        assert.equal(await result.get({ timeout: '20s', propagate: false }), undefined);
      }
      assert.equal(await sent.status, 'PENDING');
    });

    it('keeps the error of a task without a result only where it was asked to', async (t) => {
      const { app, worker } = ground.app(t);
      const body = () => {
        throw new Error('kept?');
      };
      const dropped = app.task('dropped', { ignoreResult: true }, body);
      const kept = app.task('kept', { ignoreResult: true, storeErrorsEvenIfIgnored: true }, body);
      await worker();
      const lost = await dropped.delay();
      assert.equal(await lost.get({ timeout: '20s' }), undefined);
      const stored = await kept.delay();
      await until(() => stored.failed(), 'FAILURE');
      assert.match((await rejection(stored.get({ timeout: '20s' }))).message, /kept\?/);
    });

    it('refuses to wait for a result inside a task, unless told to', async (t) => {
      const { app, worker } = ground.app(t);
      const child = app.task('child', () => 'from the child');
      const parent = app.task('parent', async (allowJoin: boolean) => {
        const sent = await child.delay();
        return sent.get({ allowJoin, timeout: '20s' });
      });
      await worker();
      const error = await rejection((await parent.delay(false)).get({ timeout: '20s' }));
      assert(error instanceof TaskFailedError);
      assert(error.cause instanceof CeleriacError);
      assert.match(error.cause.message, /allowJoin/);
      assert.equal(await (await parent.delay(true)).get({ timeout: '20s' }), 'from the child');
    });

    it('rejects a pending get() with AppClosedError when the app closes', async (t) => {
      const { app } = ground.app(t);
      const sent = await app.sendTask('nobody-runs-it');
      const waiting = rejection(sent.get());
      await until(async () => (await sent.status) === 'PENDING', 'the task');
      await app.close();
      assert((await waiting) instanceof AppClosedError);
      await app.close();
    });

    it('refuses every use of a closed app with AppClosedError, also when it had been connected', async (t) => {
      const { app } = ground.app(t);
      const task = app.task('late', () => 1);
      const sent = await task.delay();
      await app.control.ping();
      await app.close();
      for (const call of [
        () => task.delay(),
        () => task.applyAsync([], { taskId: 'own' }),
        () => sent.get(),
        () => sent.status,
        () => app.result('own').get(),
        () => app.control.ping(),
      ]) {
        const error = await rejection(call() as Promise<unknown>);
        assert(error instanceof AppClosedError, `${call}: ${String(error)}`);
      }
    });

    it('reads a task that has expired unstarted as REVOKED, with no worker anywhere', async (t) => {
      const { app, twin } = ground.app(t);
      const sent = await app.sendTask('nobody-runs-it', [], { expires: 60 });
      const error = await rejection(twin().result(sent.id).get({ timeout: '20s' }));
      assert(error instanceof TaskRevokedError);
      assert.equal(error.taskId, sent.id);
      assert.equal(await sent.status, 'REVOKED');
      const late = await app.sendTask('nobody-runs-it', [], { expires: new Date(Date.now() - 1000) });
      assert.equal(await late.status, 'REVOKED');
    });

    it('never runs a task that has expired, and runs one that has not', async (t) => {
      const { app, worker } = ground.app(t);
      const ran: string[] = [];
      const note = app.task('note', (what: string) => void ran.push(what));
      const late = await note.applyAsync(['late'], { expires: new Date(Date.now() - 1000) });
      const fresh = await note.applyAsync(['fresh'], { expires: '1h' });
      await worker();
      await fresh.get({ timeout: '20s' });
      assert((await rejection(late.get({ timeout: '20s' }))) instanceof TaskRevokedError);
      await until(async () => (await late.dateDone) !== undefined, 'the expired task to be put away');
      assert.equal(await late.status, 'REVOKED');
      assert.deepEqual(ran, ['fresh']);
    });
  });
});

describe('A result seen by an observer in a third process', () => {
  onEveryEngine(
    (ground) => {
      it('goes PENDING, STARTED, PROGRESS with its meta, SUCCESS', async (t) => {
        const { app, prefix, worker } = ground.app(t);
        const step = [gate(), gate()] as const;
        const report = app.task('report', async (id: string) => {
          await step[0].opened;
          await currentTask()?.updateState('PROGRESS', { id, status: 'Generating report...' });
          await step[1].opened;
          return `Report ${id} generated successfully!`;
        });
        const sent = await report.delay('42');
        const observer = startProgram(t, new URL('./programs/observer.js', import.meta.url), [
          ground.url,
          prefix,
          JSON.stringify(sent),
        ]);
        const seen = (state: string) =>
          observer.message<{ state: string; meta?: unknown }>((message) => message.state === state);
        await seen('PENDING');
        await worker();
        await seen('STARTED');
        step[0].open();
        assert.deepEqual((await seen('PROGRESS')).meta, { id: '42', status: 'Generating report...' });
        step[1].open();
        await seen('SUCCESS');
        const last = await observer.message<{ value: unknown }>((message) => 'value' in message);
        assert.equal(last.value, 'Report 42 generated successfully!');
        assert.deepEqual(
          observer.messages.map((message) => (message as { state?: string }).state ?? 'value'),
          ['PENDING', 'STARTED', 'PROGRESS', 'SUCCESS', 'value'],
        );
        assert.equal(await observer.ended, 0, observer.output());
      });
    },
    ['redis', 'postgres'],
  );
});
