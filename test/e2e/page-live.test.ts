/** The page while things happen: to tasks, to the broker, to its server, and to the reader's rights. */
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { type AsyncResult, Celeriac } from 'celeriac';
import type { WebOptions } from 'celeriac/web';
import type { Browser } from 'playwright-core';
import { uniqueName, until } from '../support/app.js';
import { startBrowser } from '../support/browser.js';
import { PageDriver } from '../support/page-driver.js';
import { shop } from '../support/page-fleet.js';
import { servePage } from '../support/page-server.js';
import { type RedisServer, startRedis } from '../support/redis.js';

const QUIET = { debug() {}, info() {}, warn() {}, error() {} };
/** What a reader does not notice; 0.1 is what counts as good. */
const STILL = 0.01;

describe('The page, live', () => {
  const cleanups: (() => unknown)[] = [];
  const suite = { after: (cleanup: () => unknown) => void cleanups.unshift(cleanup) } as never;
  let redis: RedisServer;
  let browser: Browser;

  before(async () => {
    redis = await startRedis(['--appendonly', 'yes']);
    cleanups.push(() => redis.close());
    browser = await startBrowser(suite);
  });

  after(async () => {
    for (const cleanup of cleanups) await cleanup();
  });

  it('shows progress, chunks and the end of a run as they come, and nothing jumps', async (t) => {
    const { driver, fleet } = await open(t);
    const { page } = driver;
    const [report, words] = await Promise.all([fleet.tasks.report.delay('42'), fleet.tasks.write.delay(3)]);
    await driver.goTo(at(report), 'generate_report');
    await page.locator('.head').getByText('PROGRESS').waitFor();
    await driver.sees('42 of 100');
    await driver.goTo(at(words), 'write');
    await driver.sees('word 2');
    await driver.sees('3 chunks so far');
    assert.equal(await page.getByText('the last word').count(), 0);
    fleet.go.open();
    await driver.sees('the last word');
    await page.locator('.head').getByText('SUCCESS').waitFor();
    await page.locator('#result').waitFor();
    await page.getByText('4 chunks', { exact: true }).waitFor();
    await driver.goTo(at(report), 'generate_report');
    await driver.sees(/Report 42 is ready/);
  });

  it('changes the runs of a list in place, and only counts new ones, so that nothing moves', async (t) => {
    const { driver, fleet } = await open(t);
    const { page } = driver;
    const report = await fleet.tasks.report.delay('42');
    await reaches(report, 'PROGRESS');
    await driver.goTo('#/runs', 'Runs');
    await driver.row('generate_report').getByText('PROGRESS').waitFor();
    const shifted = await driver.watchShifts();
    await Promise.all(Array.from({ length: 20 }, (_, n) => fleet.tasks.renderPage.delay(n)));
    await driver.sees(/other runs changed: show/);
    fleet.go.open();
    await driver.row('generate_report').getByText('SUCCESS').waitFor();
    assert.equal(await page.locator('main tr[data-row]').count(), 1);
    assert((await shifted()) < STILL);
    await page.getByRole('button', { name: /other runs? changed: show/ }).click();
    await page.locator('main tr[data-row]').nth(20).waitFor();
  });

  it('keeps the figures of overview, queues, workers and tasks up to date without a jump', async (t) => {
    const { driver, fleet } = await open(t);
    const { page } = driver;
    await driver.page
      .locator('.tile')
      .filter({ hasText: /Workers\s*1 / })
      .waitFor();
    const shifted = await driver.watchShifts();
    await Promise.all(Array.from({ length: 5 }, (_, n) => fleet.tasks.charge.delay(n)));
    await fleet.tasks.renderPage.applyAsync([1], { queue: 'idle' });
    await page.locator('.facts').getByText('5', { exact: true }).waitFor();
    await driver.goTo('#/queues', 'Queues');
    await driver.row('idle').waitFor();
    await fleet.tasks.renderPage.applyAsync([1], { queue: 'idle' });
    await driver.row('idle').getByText('2', { exact: true }).waitFor();
    await driver.goTo('#/tasks', 'Tasks');
    await driver.row('charge_card').getByText('100 %').waitFor();
    assert.deepEqual(await driver.row('charge_card').locator('.counts .state').allTextContents(), [
      'FAILURE',
    ]);
    await driver.goTo('#/workers', 'Workers');
    await fleet.tasks.report.delay('1');
    await driver.row('web-1').getByText('1/8').waitFor();
    assert.equal(await page.getByRole('columnheader', { name: 'Failed' }).count(), 0);
    assert((await shifted()) < 0.1);
  });

  it('says that the connection is lost, keeps what it knew, and heals by itself', async (t) => {
    const { driver, fleet, served } = await open(t);
    const report = await fleet.tasks.report.delay('42');
    await driver.goTo(at(report), 'generate_report');
    await driver.page.locator('.head').getByText('PROGRESS').waitFor();
    const shifted = await driver.watchShifts();
    await served.stop();
    await driver.sees('Connection lost.');
    await driver.sees('42 of 100');
    fleet.go.open();
    await reaches(report, 'SUCCESS');
    assert((await shifted()) < STILL);
    await served.start();
    await driver.page.getByText('Connection lost.').waitFor({ state: 'detached' });
    await driver.page.locator('.head').getByText('SUCCESS').waitFor();
    await driver.sees('Live');
  });

  it('goes through a restart of the broker', async (t) => {
    const { driver, fleet } = await open(t);
    const report = await fleet.tasks.report.delay('42');
    await driver.goTo(at(report), 'generate_report');
    await driver.page.locator('.head').getByText('PROGRESS').waitFor();
    await redis.stop();
    await driver.sees('The broker does not answer.');
    await driver.sees('42 of 100');
    await redis.start();
    await driver.page.getByText('The broker does not answer.').waitFor({ state: 'detached' });
    fleet.go.open();
    await driver.page.locator('.head').getByText('SUCCESS').waitFor();
  });

  it('needs one connection for all tabs of a browser, and every tab is live', async (t) => {
    const { fleet, url } = await open(t);
    const report = await fleet.tasks.report.delay('42');
    const context = await browser.newContext();
    t.after(() => context.close());
    const tabs = await Promise.all(
      Array.from({ length: 9 }, async () => {
        const page = await context.newPage();
        await page.goto(`${url}${at(report)}`);
        return page;
      }),
    );
    for (const tab of tabs) await tab.locator('.head').getByText('PROGRESS').waitFor();
    fleet.go.open();
    for (const tab of tabs) await tab.locator('.head').getByText('SUCCESS').waitFor();
  });

  it('hides every action when it is read-only', async (t) => {
    const { driver, fleet } = await open(t, { readOnly: true });
    const { page } = driver;
    const failed = await fleet.tasks.charge.delay(1);
    await reaches(failed, 'FAILURE');
    await driver.sees('Live, read-only');
    const actions = page.getByRole('button', {
      name: /^(Retry|Revoke|Delete|Pause|Resume|Purge|Run now|Edit|New schedule|Grow|Shrink|Shut down|Call)/,
    });
    const screens = [
      ['#/runs', 'Runs', 'charge_card'],
      [at(failed), 'charge_card', 'Why it failed'],
      ['#/failed', 'Failed', 'RangeError'],
      ['#/queues', 'Queues', 'celeriac'],
      ['#/workers?open=web-1', 'Workers', 'Running now (0)'],
      ['#/tasks', 'Tasks', 'charge_card'],
      ['#/schedules', 'Schedules', 'Nothing is scheduled'],
    ] as const;
    for (const [place, title, text] of screens) {
      await driver.goTo(place, title);
      await page.locator('main').getByText(text).first().waitFor();
      assert.equal(await actions.count(), 0, title);
    }
    assert.equal(await page.getByRole('link', { name: /^Call/ }).count(), 0);
    await driver.goTo('#/call/charge_card', 'Call a task');
    await driver.sees('This page is read-only');
  });

  it('works under any mount', async (t) => {
    const { driver, fleet, url } = await open(t, { basePath: '/ops/queues' });
    const failed = await fleet.tasks.charge.delay(1);
    await reaches(failed, 'FAILURE');
    await driver.page.goto(url.slice(0, -1));
    await driver.sees(/the bank refused/);
    await driver.page.getByRole('link', { name: 'charge_card' }).click();
    await driver.heading('charge_card');
    assert.equal(driver.address(), at(failed));
  });

  it('teaches, where there is nothing to show, the command that would change that', async (t) => {
    const app = new Celeriac('empty', { broker: redis.url, prefix: uniqueName(), logger: QUIET });
    t.after(() => app.close());
    const { url } = await servePage(t, app);
    const driver = await PageDriver.open(t, url, { browser });
    const screens = [
      ['#/', 'Overview', /celeriac -A tasks worker/],
      ['#/runs', 'Runs', /celeriac -A tasks call/],
      ['#/tasks', 'Tasks', /celeriac -A tasks worker/],
      ['#/queues', 'Queues', /celeriac -A tasks worker -Q/],
      ['#/workers', 'Workers', /celeriac -A tasks worker/],
      ['#/schedules', 'Schedules', /schedule: crontab/],
      ['#/failed', 'Failed', /celeriac -A tasks failed/],
      ['#/call', 'Call a task', /celeriac -A tasks call/],
    ] as const;
    for (const [place, title, command] of screens) {
      await driver.goTo(place, title);
      await driver.page.locator('.command').getByText(command).waitFor();
    }
    await driver.goTo('#/runs/nobody', 'Run');
    await driver.sees('There is no such run');
  });

  async function open(t: TestContext, options: WebOptions = {}) {
    const app = new Celeriac('shop', { broker: redis.url, prefix: uniqueName(), logger: QUIET });
    t.after(() => app.close());
    const fleet = shop(app);
    t.after(() => fleet.go.open());
    await app.worker({ name: 'web-1', concurrency: 8, shutdownTimeout: '1s' }).start();
    const served = await servePage(t, app, options);
    const viewport = { width: 1280, height: 900 };
    const driver = await PageDriver.open(t, served.url, { browser, viewport });
    await driver.sees(/^Live/);
    return { driver, fleet, served, url: served.url };
  }
});

function at({ id }: AsyncResult): string {
  return `#/runs/${encodeURIComponent(id)}`;
}

async function reaches(result: AsyncResult, state: string): Promise<void> {
  await until(async () => (await result.snapshot()).state === state, `${state} of ${result.id}`);
}
