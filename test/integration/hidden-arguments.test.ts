/** Tasks that hide their arguments: a hidden argument is seen by the task, and by nobody else. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chain, crontab, type FleetEvent, Task, TaskService } from 'celeriac';
import { web } from 'celeriac/web';
import { z } from 'zod';
import type { RunList, ScheduleList } from '#src/web/api.js';
import { gate, onEveryEngine, rejection, until } from '../support/app.js';
import { change, read } from '../support/web.js';

const SECRET = '4111-1111-secret';
const PATIENCE = { timeout: '20s' } as const;

class Payments extends TaskService {
  readonly got: unknown[] = [];
  readonly open = gate();

  @Task('pay', { sensitive: true })
  async pay(card: string) {
    this.got.push(card);
    await this.open.opened;
    return card.length;
  }

  @Task('charge', {
    argsRepr: (order: number, card: string) => `order ${order}, card …${card.slice(-2)}`,
    maxRetries: 0,
  })
  async charge(_order: number, card: string) {
    this.got.push(card);
    throw new Error('no funds');
  }
}

describe('Hidden arguments', () => {
  onEveryEngine((ground) => {
    it('reach the task, and are not in inspect, events, logs, snapshots and the page', async (t) => {
      const { app, twin, worker, lines } = ground.app(t);
      const stop = new AbortController();
      const events: FleetEvent[] = [];
      const heard = (async () => {
        for await (const event of app.events({ signal: stop.signal })) events.push(event);
      })();
      const payments = new Payments();
      const { pay, charge } = app.register(payments);
      await worker();
      // It does not have the code: what the message says must be enough.
      const stranger = twin();
      const pages = [web(app), web(stranger)];
      t.after(() => Promise.all(pages.map((page) => page.close())));

      const running = await pay.delay(SECRET);
      await until(() => payments.got.length === 1, 'the start');
      const bad = await charge.delay(7, SECRET);
      await rejection(bad.get(PATIENCE));
      const later = await charge.applyAsync([8, SECRET], { countdown: '1h' });
      const strange = await stranger.sendTask('strange', [SECRET], { sensitive: true, countdown: '1h' });
      const sent = [running, bad, later, strange];

      const seen: unknown[] = [];
      const inspect = app.inspect(PATIENCE);
      const reports = JSON.stringify([
        await inspect.active(),
        await inspect.scheduled(),
        await inspect.queryTask(running.id, later.id),
      ]);
      assert.match(reports, /"\[hidden\]"/);
      assert.match(reports, /"order 8, card …et"/);
      for (const reader of [app, stranger]) {
        const [failed] = await reader.failed.list();
        assert.deepEqual(failed?.args, ['order 7, card …et']);
        for (const { id } of sent) seen.push(await reader.result(id).snapshot());
      }
      for (const page of pages) {
        const list = await read<RunList>(page, 'runs');
        assert.equal(list.runs.find(({ id }) => id === bad.id)?.args, 'order 7, card …et');
        const byText = await read<RunList>(page, `runs?text=${SECRET.slice(0, 6)}`);
        assert.deepEqual(byText.runs, [], 'nor can it be guessed piece by piece');
        seen.push(list);
        for (const { id } of sent) seen.push(await read(page, `runs/${id}`));
      }
      // A caller that does not know it hides nothing; a worker that knows it does.
      const unknowing = await stranger.sendTask('pay', [SECRET], { countdown: '1h' });
      seen.push(await inspect.scheduled(), await app.result(unknowing.id).snapshot());
      payments.open.open();
      assert.equal(await running.get(PATIENCE), SECRET.length);
      await until(() => events.some(({ type }) => type === 'task-failed'), 'the event');
      stop.abort();
      await heard;
      const all = JSON.stringify([reports, seen, events, lines]);
      assert(!all.includes(SECRET), all);
      assert.deepEqual(new Set(payments.got), new Set([SECRET]));
    });

    it('are in no error of their checks, at the call and in the worker', async (t) => {
      const { app, twin, worker, lines } = ground.app(t);
      const card = z.strictObject({
        number: z.string().refine(() => false, { error: (at) => String(at.input) }),
      });
      const options = { args: [card], sensitive: true } as const;
      const check = app.task('check', options, (_card: unknown) => undefined);
      const shy = app.task('shy', { args: [card] }, (_card: unknown) => undefined);
      await worker();
      const wrong = { number: SECRET, [SECRET]: 1 };
      const errors = [
        await rejection(check.delay(wrong)),
        await rejection(check.delay({ number: SECRET, [SECRET]: new Map() })),
        await rejection(shy.applyAsync([wrong], { sensitive: true })),
      ];
      const unchecked = twin();
      for (const name of ['check', 'shy']) {
        const sent = await unchecked.sendTask(name, [wrong], { sensitive: true });
        errors.push(await rejection(sent.get(PATIENCE)));
      }
      for (const error of errors) assert.match(String(error), /0\.number: is not what the task declares/);
      const odd = app.task('odd', { sensitive: true }, (_value: unknown) => 1);
      const told = await rejection(odd.delay({ [SECRET]: 1n }));
      assert.match(told.message, /args\[0\] holds a value/);
      const all = [...errors, told].map((error) => `${error.stack} ${JSON.stringify(error)} ${error.cause}`);
      assert(!all.join().includes(SECRET), all.join());
      assert(!JSON.stringify(lines).includes(SECRET));
    });

    it('stay hidden in workflows, where they come from tasks before, and in unique keys', async (t) => {
      const { app, worker } = ground.app(t);
      const payments = new Payments();
      const { pay, charge } = app.register(payments);
      payments.open.open();
      const find = app.task('find', () => SECRET);
      const told = gate<unknown>();
      const tell = app.task('tell', (request: unknown) => told.open(request));
      const once = app.task(
        'once',
        { sensitive: true, unique: { mode: 'reject' } },
        (_card: string) => undefined,
      );
      const node = await worker();
      const paid = await chain(find.s(), pay.s()).delay();
      assert.equal(await paid.get(PATIENCE), SECRET.length);
      assert.deepEqual((await paid.snapshot()).args, ['[hidden]']);
      const charged = await charge.applyAsync([9, SECRET], { linkError: tell.s() });
      await rejection(charged.get(PATIENCE));
      const { args } = (await told.opened) as { args: unknown };
      assert.deepEqual(args, ['order 9, card …et']);
      const held = await once.applyAsync([SECRET], { countdown: '1h' });
      const again = await rejection(once.delay(SECRET));
      assert.match(again.message, /is unique/);
      const page = web(app);
      t.after(() => page.close());
      assert(!JSON.stringify(await read(page, `runs/${held.id}`)).includes(SECRET));
      assert(node !== undefined);
    });

    it('are kept by who changes a schedule, or retries a task, and sends back what is shown', async (t) => {
      const { app, twin, worker } = ground.app(t);
      const payments = new Payments();
      const { charge } = app.register(payments);
      const page = web(twin());
      t.after(() => page.close());
      const when = crontab('0 0 1 1 *');
      await app.schedules.upsert({ name: 'yearly', schedule: when, task: charge, args: [5, SECRET] });
      const { schedules } = await read<ScheduleList>(page, 'schedules');
      assert.deepEqual(schedules[0]?.args, ['order 5, card …et']);
      await change(page, 'PUT', 'schedules/yearly', {
        task: 'charge',
        spec: { kind: 'crontab', crontab: '0 0 2 1 *' },
        args: schedules[0]?.args,
      });
      await worker();
      const ticked = await app.schedules.runNow('yearly');
      await rejection(ticked.get(PATIENCE));
      assert.deepEqual(payments.got, [SECRET]);
      const shown = (await ticked.snapshot()).args;
      assert.deepEqual(shown, ['order 5, card …et']);
      await change(page, 'POST', `runs/${ticked.id}/retry`, { args: shown });
      await until(() => payments.got.length === 2, 'the retry');
      await rejection(app.result(ticked.id).get(PATIENCE));
      assert.deepEqual(payments.got, [SECRET, SECRET]);
      await change(page, 'POST', `runs/${ticked.id}/retry`, { args: [6, 'another'] });
      await until(() => payments.got.length === 3, 'the retry with others');
      assert.deepEqual(payments.got.at(-1), 'another');
    });

    it('are hidden by eager calls too, and an invalid option is refused at once', async (t) => {
      const { app } = ground.app(t, { taskAlwaysEager: true });
      const payments = new Payments();
      const { charge } = app.register(payments);
      const ended = await charge.delay(3, SECRET);
      assert.deepEqual((await ended.snapshot()).args, ['order 3, card …et']);
      assert.throws(
        () => app.task('x', { sensitive: 'yes' as never }, () => 1),
        /sensitive must be true or false; got "yes"/,
      );
      assert.throws(() => app.task('y', { argsRepr: '***' as never }, () => 1), /argsRepr/);
    });
  });
});
