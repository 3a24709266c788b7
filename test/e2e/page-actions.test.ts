/** Every action of the page, on Redis and PostgreSQL with real workers. What it did is asked of another app, not of the page. */
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { type AsyncResult, type Celeriac, crontab } from 'celeriac';
import type { Browser } from 'playwright-core';
import { z } from 'zod';
import { onEveryEngine, until } from '../support/app.js';
import { startBrowser } from '../support/browser.js';
import { PageDriver } from '../support/page-driver.js';
import { shop } from '../support/page-fleet.js';
import { servePage } from '../support/page-server.js';

const NODE = 'celeriac@web-1';

onEveryEngine(
  (ground) => {
    let browser: Browser;
    const cleanups: (() => unknown)[] = [];
    before(async () => {
      browser = await startBrowser({
        after: (cleanup: () => unknown) => void cleanups.push(cleanup),
      } as never);
    });
    after(async () => {
      for (const cleanup of cleanups) await cleanup();
    });

    it('retries failed tasks together, one with edited arguments, and deletes others', async (t) => {
      const { driver, app, fleet } = await open(t, '#/failed');
      const failed = await Promise.all(Array.from({ length: 10 }, (_, n) => fleet.tasks.charge.delay(n)));
      for (const result of failed) await reaches(result, 'FAILURE');
      await driver.goTo('#/failed', 'Failed');
      await driver.row('charge_card').locator('[data-primary]').click();

      const edited = failed[3];
      assert(edited !== undefined);
      await driver.page.getByRole('button', { name: `Retry with edited arguments ${edited.id}` }).click();
      await driver.page.getByLabel('Arguments, a JSON list').fill('[500]');
      await driver.confirm('Retry 1 run');
      await driver.notice('Retried 1 run.');
      await until(() => fleet.done.includes(500), 'the edited run');

      const gone = failed[4];
      assert(gone !== undefined);
      await driver.page.getByRole('button', { name: `Delete ${gone.id}` }).click();
      assert.match(await driver.confirm('Delete 1 task'), /cannot be undone/);
      await driver.notice('Deleted 1 task.');
      assert.equal((await app.result(gone.id).snapshot()).known, false);

      fleet.repair();
      await driver.page.getByText('8', { exact: true }).first().waitFor();
      await driver
        .row('charge_card')
        .getByRole('button', { name: /^Retry all/ })
        .click();
      await driver.confirm('Retry 8 tasks');
      await driver.notice('Retried 8 tasks.');
      for (const result of failed) if (result !== gone) await reaches(result, 'SUCCESS');
      await driver.sees('Nothing has failed');
      assert.deepEqual(await app.failed.list(), []);
    });

    it('revokes, retries and deletes runs: those selected, and all that match', async (t) => {
      const { driver, fleet } = await open(t, '#/');
      const idle = await Promise.all(
        Array.from({ length: 60 }, (_, n) => fleet.tasks.renderPage.applyAsync([n], { queue: 'idle' })),
      );
      await driver.goTo('#/runs?queue=idle', 'Runs');
      const rows = driver.page.locator('main tr[data-row]');
      await rows.nth(49).waitFor();
      await rows.nth(0).getByRole('checkbox').check();
      await rows.nth(1).getByRole('checkbox').check();
      await driver.page.getByRole('button', { name: 'Revoke', exact: true }).click();
      await driver.confirm('Revoke 2 runs');
      await driver.notice('Revoked 2 runs.');
      const revoked = async () => {
        const all = await Promise.all(idle.map((result) => result.snapshot()));
        return all.filter(({ state }) => state === 'REVOKED').length;
      };
      await until(async () => (await revoked()) === 2, 'two revoked runs');

      await driver.goTo('#/runs?queue=idle&state=PENDING', 'Runs');
      await driver.page.getByRole('button', { name: 'Revoke all that match' }).click();
      assert.match(await driver.confirm('Revoke 58 runs'), /queue idle, state PENDING.*matches 58 runs now/s);
      await driver.notice('Revoked 58 runs.');
      await until(async () => (await revoked()) === 60, 'all revoked runs');

      const ended = await Promise.all(Array.from({ length: 55 }, (_, n) => fleet.tasks.renderPage.delay(n)));
      for (const result of ended) await result.get({ timeout: '30s' });
      await driver.goTo('#/runs?queue=celeriac&state=SUCCESS', 'Runs');
      await rows.nth(49).waitFor();
      await driver.page.getByRole('button', { name: 'Delete all that match' }).click();
      await driver.confirm('Delete 55 runs');
      await driver.notice('Deleted 55 runs.');
      await driver.sees('Nothing matches');
      const left = await Promise.all(ended.map((result) => result.snapshot()));
      assert.deepEqual(
        left.filter(({ known }) => known),
        [],
      );
    });

    it('stops a running task, and runs a delayed one now', async (t) => {
      const { driver, fleet } = await open(t, '#/');
      const running = await fleet.tasks.report.delay('1');
      const delayed = await fleet.tasks.renderPage.applyAsync([1], { countdown: '1h' });
      await reaches(running, 'PROGRESS');
      await driver.goTo(`#/runs/${encodeURIComponent(running.id)}`, 'generate_report');
      await driver.page.getByRole('button', { name: 'Revoke' }).click();
      await driver.page.getByLabel('Reason').fill('the customer has left');
      await driver.confirm('Revoke 1 run');
      await driver.notice('Revoked 1 run.');
      await reaches(running, 'REVOKED');
      await driver.sees(/the customer has left/);
      await driver.page.getByRole('button', { name: 'Delete' }).waitFor();

      await driver.goTo(`#/runs/${encodeURIComponent(delayed.id)}`, 'render_page');
      await driver.page.getByRole('button', { name: 'Run now' }).click();
      await driver.confirm('Run 1 task now');
      await reaches(delayed, 'SUCCESS');
      await driver.page.locator('.head').getByText('SUCCESS').waitFor();
    });

    it('pauses, resumes and purges a queue', async (t) => {
      const { driver, app, fleet } = await open(t, '#/');
      await Promise.all(
        Array.from({ length: 7 }, (_, n) => fleet.tasks.renderPage.applyAsync([n], { queue: 'mail' })),
      );
      await driver.goTo('#/queues', 'Queues');
      const paused = async () => (await app.queues.list()).find(({ name }) => name === 'mail')?.paused;
      await driver.row('mail').getByRole('button', { name: 'Pause' }).click();
      assert.match(await driver.confirm('Pause the queue'), /7 tasks/);
      await driver.notice('Paused the queue mail.');
      await until(async () => (await paused()) === true, 'a paused queue');
      await driver.row('mail').getByRole('button', { name: 'Resume' }).click();
      await driver.confirm('Resume the queue');
      await until(async () => (await paused()) === false, 'a resumed queue');
      await driver.row('mail').getByRole('button', { name: 'Purge' }).click();
      assert.match(await driver.confirm('Purge 7 tasks'), /cannot be undone/);
      await driver.notice('Purged 7 tasks from the queue mail.');
      assert.equal((await app.queues.list()).find(({ name }) => name === 'mail')?.waiting ?? 0, 0);
    });

    it('gives a worker every command', async (t) => {
      const { driver, app } = await open(t, `#/workers?open=${encodeURIComponent(NODE)}`);
      const { page } = driver;
      await driver.sees('Nothing. It takes the next task from its queues.');
      const command = async (name: string, fields: Readonly<Record<string, string>> = {}) => {
        await page.getByRole('button', { name, exact: true }).click();
        for (const [label, value] of Object.entries(fields))
          await page.getByLabel(label, { exact: true }).fill(value);
        await driver.confirm(`${name} on ${name === 'Rate limit' ? 'all workers' : '1 worker'}`);
        await driver.notice(`${name}, ${NODE}`);
      };
      const concurrency = async () => (await app.inspect().stats())[NODE];
      const size = async () => {
        const stats = await concurrency();
        return stats !== undefined && 'slots' in stats ? stats.slots.size : undefined;
      };
      await command('Grow the pool', { 'Slots more': '3' });
      assert.equal(await size(), 7);
      await command('Shrink the pool', { 'Slots less': '2' });
      assert.equal(await size(), 5);
      await command('Add a queue', { Queue: 'extra' });
      const queues = async () => JSON.stringify((await app.inspect().activeQueues())[NODE]);
      assert.match(await queues(), /"extra"/);
      await command('Leave a queue', { Queue: 'extra' });
      assert.doesNotMatch(await queues(), /"extra"/);
      await command('Rate limit', { Task: 'render_page', Rate: '600/m' });
      await command('Time limit', { Task: 'render_page', 'Soft limit': '30s', 'Hard limit': '1m' });
      await command('Log level', { Level: 'error' });
      await command('Autoscale', { 'Fewest slots': '2', 'Most slots': '9' });
      assert.match(JSON.stringify((await app.inspect().conf())[NODE]), /"max":9/);
      await command('Ping');
      await command('Shut down');
      await until(async () => Object.keys(await app.inspect().ping()).length === 0, 'the end of the worker');
    });

    it('shows the limits of a task, and sets and lifts them', async (t) => {
      const { driver, app } = await open(t, '#/tasks');
      await driver.sees('No task has a limit');
      const set = async (rate: string, soft: string, hard: string) => {
        await driver.row('render_page').getByRole('button', { name: 'Limits of render_page' }).click();
        await driver.page.getByLabel('Rate').fill(rate);
        await driver.page.getByLabel('Soft limit').fill(soft);
        await driver.page.getByLabel('Hard limit').fill(hard);
        await driver.confirm('Set them on 1 worker');
      };
      const onWorker = async () => JSON.stringify((await app.inspect().conf())[NODE]);
      await set('600/m', '30s', '90s');
      await driver.notice(/render_page: 600\/m, over all workers; .*soft 30s, hard 90s/);
      const limits = driver.page.getByRole('table', { name: 'Limits of tasks' });
      await limits.getByText('1 m 30 s').waitFor();
      await limits.getByText('600/m').waitFor();
      assert.match(await onWorker(), /"render_page":{"softTimeLimit":30000,"timeLimit":90000}/);
      await driver.goTo(`#/workers?open=${encodeURIComponent(NODE)}`, 'Workers');
      await driver.page
        .getByRole('table', { name: /^Time limits/ })
        .getByText('1 m 30 s')
        .waitFor();
      await driver.goTo('#/tasks', 'Tasks');
      await limits.waitFor();
      await set('', '', '');
      await driver.sees('No task has a limit');
      assert.match(await onWorker(), /"render_page":{"softTimeLimit":null,"timeLimit":null}/);
    });

    it('makes, changes, pauses, runs and deletes a schedule', async (t) => {
      const { driver, app, fleet } = await open(t, '#/schedules');
      const { page } = driver;
      await driver.sees('Nothing is scheduled');
      await page.getByRole('button', { name: 'New schedule' }).click();
      await page.getByLabel('Name', { exact: true }).fill('nightly');
      await page.getByLabel('Task', { exact: true }).fill('render_page');
      await page.getByLabel('Cron expression').fill('0 3 * * *');
      await page.getByLabel('Arguments, a JSON list').fill('[7');
      await page.getByRole('button', { name: 'Make 1 schedule' }).click();
      await page
        .getByRole('alert')
        .getByText(/no JSON/)
        .waitFor();
      await page.getByLabel('Arguments, a JSON list').fill('[7]');
      await driver.confirm('Make 1 schedule');
      await driver.notice('Made the schedule nightly.');
      const entry = () => app.schedules.get('nightly');
      assert.deepEqual([(await entry())?.task, (await entry())?.args], ['render_page', [7]]);

      await driver.row('nightly').getByRole('button', { name: 'Edit' }).click();
      await page.getByLabel('Every so often').check();
      await page.getByLabel('Every', { exact: true }).fill('1h');
      await driver.confirm('Change 1 schedule');
      await driver.notice('Changed the schedule nightly.');
      await driver.row('nightly').locator('[data-primary]').click();
      await driver.sees('Next five');
      assert.equal(await page.locator('.moments').first().locator('li').count(), 5);

      await driver.row('nightly').getByRole('button', { name: 'Pause' }).click();
      await driver.confirm('Pause 1 schedule');
      await until(async () => (await entry())?.paused === true, 'a paused schedule');
      await driver.row('nightly').getByRole('button', { name: 'Resume' }).click();
      await driver.confirm('Resume 1 schedule');
      await until(async () => (await entry())?.paused === false, 'a resumed schedule');

      await driver.row('nightly').getByRole('button', { name: 'Run now' }).click();
      await driver.confirm('Send 1 task');
      await driver.notice('Sent 1 task of the schedule nightly.');
      await until(() => fleet.done.includes(7), 'the run of the schedule');

      await driver.row('nightly').getByRole('button', { name: 'Delete' }).click();
      await driver.confirm('Delete 1 schedule');
      await driver.notice('Deleted 1 schedule.');
      assert.equal(await entry(), undefined);
      await driver.sees('Nothing is scheduled');
    });

    it('calls a task, says what is wrong with its arguments, and shows its end', async (t) => {
      const { driver, fleet } = await open(t, '#/call/no_such');
      const { page } = driver;
      await driver.sees(/knows this task/);
      await page.getByLabel('Task', { exact: true }).fill('render_page');
      await page.keyboard.press('Tab');
      await page.getByLabel('Arguments, a JSON list').fill('{"page": 1}');
      await page.getByRole('button', { name: 'Call 1 task' }).click();
      await page
        .getByRole('alert')
        .getByText(/Arguments are a JSON list/)
        .waitFor();
      await page.getByLabel('Arguments, a JSON list').fill('[41]');
      await page.getByText('Options of the call').click();
      await page.getByLabel('Options, a JSON object').fill('{"countdown": "-"}');
      await page.getByRole('button', { name: 'Call 1 task' }).click();
      await page
        .getByRole('alert')
        .getByText(/countdown/)
        .waitFor();
      await page.getByLabel('Options, a JSON object').fill('{"priority": 3}');
      await page.getByRole('button', { name: 'Call 1 task' }).click();
      await page.locator('.lines').getByText('SUCCESS').waitFor();
      await page.locator('.lines').getByText('41', { exact: true }).waitFor();
      assert.deepEqual(fleet.done, [41]);
    });

    it('calls a task by a form where its arguments are declared', async (t) => {
      const { app, worker } = ground.app(t);
      const made: unknown[] = [];
      const options = z.object({
        pages: z.number().int(),
        fast: z.boolean(),
        format: z.enum(['pdf', 'html']),
      });
      app.task('print', { args: [z.string(), options] }, async (...args: unknown[]) => {
        made.push(...args);
      });
      await worker();
      const { url } = await servePage(t, app);
      const { page } = await PageDriver.open(t, url, { browser, at: '#/call/print' });
      await page.getByLabel('Argument 1').fill('42');
      await page.getByLabel('pages').fill('7');
      await page.getByLabel('fast').check();
      await page.getByLabel('format').selectOption('html');
      await page.getByRole('button', { name: 'Call 1 task' }).click();
      await page.locator('.lines').getByText('SUCCESS').waitFor();
      assert.deepEqual(made, ['42', { pages: 7, fast: true, format: 'html' }]);
    });

    it('asks before it acts, and does nothing when the reader thinks better of it', async (t) => {
      const { driver, app } = await open(t, '#/schedules', async (owner) => {
        await owner.schedules.upsert({
          name: 'kept',
          schedule: crontab('0 3 * * *'),
          task: 'render_page',
          args: [1],
        });
      });
      const { page } = driver;
      const button = driver.row('kept').getByRole('button', { name: 'Delete' });
      await button.click();
      await page.getByRole('dialog').getByText('cannot be undone').waitFor();
      await page.keyboard.press('Escape');
      await page.getByRole('dialog').waitFor({ state: 'detached' });
      await driver.row('kept').locator('button:focus').waitFor();
      await button.click();
      await page.getByRole('button', { name: 'Cancel' }).click();
      assert.notEqual(await app.schedules.get('kept'), undefined);
      await button.click();
      await driver.goTo('#/queues', 'Queues');
      await page.getByRole('dialog').waitFor({ state: 'detached' });
    });

    /** An app with a worker, its page at `at`, and another app of the same to ask. */
    async function open(
      t: Parameters<typeof ground.app>[0],
      at: string,
      first: (app: Celeriac) => Promise<void> = async () => undefined,
    ) {
      const { app, twin, worker } = ground.app(t);
      const fleet = shop(app);
      t.after(() => fleet.go.open());
      await worker({ name: NODE, concurrency: 4, queues: ['celeriac'] });
      const outside = twin();
      await first(outside);
      const { url } = await servePage(t, twin());
      const driver = await PageDriver.open(t, url, { browser, at, viewport: { width: 1280, height: 900 } });
      return { driver, app: outside, fleet };
    }
  },
  ['redis', 'postgres'],
);

async function reaches(result: AsyncResult, state: string): Promise<void> {
  await until(async () => (await result.snapshot()).state === state, `${state} of ${result.id}`);
}
