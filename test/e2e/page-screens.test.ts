/**
 * Every screen of the page on a fleet that does everything: it shows what is there, breaks no rule of WCAG 2.2 AA in
 * either theme, fits on a phone, and has a picture for the docs (`CELERIAC_IMAGES=1` writes them).
 */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type AsyncResult, Celeriac, crontab } from 'celeriac';
import type { Browser } from 'playwright-core';
import { pause, until } from '../support/app.js';
import { startBrowser } from '../support/browser.js';
import { PageDriver } from '../support/page-driver.js';
import { type Shop, shop } from '../support/page-fleet.js';
import { servePage } from '../support/page-server.js';
import { startRedis } from '../support/redis.js';

const IMAGES = join(dirname(fileURLToPath(import.meta.resolve('celeriac/package.json'))), 'docs/images');
const LARGE = { width: 1280, height: 800 };
const PHONE = { width: 375, height: 740 };
const QUIET = { debug() {}, info() {}, warn() {}, error() {} };

describe('The screens of the page', () => {
  const cleanups: (() => unknown)[] = [];
  const suite = { after: (cleanup: () => unknown) => void cleanups.unshift(cleanup) } as never;
  let app: Celeriac;
  let fleet: Shop;
  let url = '';
  let browser: Browser;
  let runs: Readonly<Record<'failed' | 'running' | 'stream' | 'order' | 'flow', AsyncResult>>;

  before(async () => {
    const redis = await startRedis();
    cleanups.push(() => redis.close());
    app = new Celeriac('shop', { broker: redis.url, logger: QUIET });
    cleanups.unshift(() => app.close());
    fleet = shop(app);
    await app.worker({ name: 'celeriac@web-1', concurrency: 12 }).start();
    await app.worker({ name: 'celeriac@web-2', concurrency: 4, queues: ['celeriac', 'reports'] }).start();
    url = (await servePage(suite, app)).url;
    browser = await startBrowser(suite);
    // Somebody looks before anything happens, so that the charts have something to say.
    const early = await PageDriver.open(suite, url, { browser });
    await early.sees('Live');
    if (process.env.CELERIAC_IMAGES !== undefined) await busy(fleet);
    runs = await fill(app, fleet);
  });

  after(async () => {
    fleet.go.open();
    for (const cleanup of cleanups) await cleanup();
  });

  const screens: readonly {
    readonly name: string;
    readonly at: () => string;
    readonly title: string;
    readonly sees: readonly (string | RegExp)[];
  }[] = [
    { name: 'overview', at: () => '#/', title: 'Overview', sees: ['Tasks per second', /the bank refused/] },
    {
      name: 'tasks',
      at: () => '#/tasks',
      title: 'Tasks',
      sees: ['charge_card', 'generate_report', 'Limits of tasks'],
    },
    {
      name: 'runs',
      at: () => '#/runs?name=*_*&state=FAILURE&state=RETRY',
      title: 'Runs',
      sees: ['charge_card', /looked at/],
    },
    {
      name: 'run',
      at: () => `#/runs/${encodeURIComponent(runs.failed.id)}`,
      title: 'charge_card',
      sees: ['Why it failed', /RangeError: the bank refused/, 'Retry with edited arguments', 'Timeline'],
    },
    {
      name: 'run-live',
      at: () => `#/runs/${encodeURIComponent(runs.running.id)}`,
      title: 'generate_report',
      sees: ['What it does now', /42 of 100/],
    },
    {
      name: 'run-stream',
      at: () => `#/runs/${encodeURIComponent(runs.stream.id)}`,
      title: 'write',
      sees: ['Stream', 'word 7'],
    },
    {
      name: 'run-steps',
      at: () => `#/runs/${encodeURIComponent(runs.order.id)}`,
      title: 'order',
      sees: ['Steps', 'reserve', 'waits for a value'],
    },
    {
      name: 'workflow',
      at: () => `#/runs/${encodeURIComponent(runs.flow.id)}/graph`,
      title: 'Workflow',
      sees: [/a chain of 8 tasks/, 'Parts'],
    },
    {
      name: 'workers',
      at: () => `#/workers?open=${encodeURIComponent('celeriac@web-1')}`,
      title: 'Workers',
      sees: ['celeriac@web-2', 'Grow the pool', /Running now/],
    },
    { name: 'queues', at: () => '#/queues', title: 'Queues', sees: ['reports', 'paused'] },
    {
      name: 'schedules',
      at: () => '#/schedules?open=nightly',
      title: 'Schedules',
      sees: ['nightly', 'Next five', 'History'],
    },
    { name: 'failed', at: () => '#/failed', title: 'Failed', sees: ['RangeError', 'charge_card'] },
    { name: 'call', at: () => '#/call/charge_card', title: 'Call a task', sees: ['Arguments, a JSON list'] },
  ];

  describe('on one page that goes through them', () => {
    let driver: PageDriver;

    before(async () => {
      driver = await PageDriver.open(suite, url, {
        browser,
        viewport: LARGE,
        bypassCSP: true,
        reducedMotion: 'reduce',
      });
    });

    for (const { name, at, title, sees } of screens) {
      it(`${name}: shows what is there, accessible in both themes, on a phone as well`, async () => {
        await driver.page.emulateMedia({ colorScheme: 'light' });
        await driver.goTo(at(), title);
        for (const text of sees) await driver.sees(text);
        await driver.fits();
        await driver.isAccessible();
        await picture(driver, name);
        await driver.page.emulateMedia({ colorScheme: 'dark' });
        await driver.isAccessible();
        if (name === 'overview') await picture(driver, 'overview-dark');
        await driver.page.setViewportSize(PHONE);
        await driver.fits();
        await driver.actionsAreInReach();
        if (name === 'overview') await picture(driver, 'overview-phone');
        await driver.page.setViewportSize(LARGE);
      });
    }
  });

  it('leads everywhere by keyboard, and begins each screen at its heading', async (t) => {
    const { page, ...driver } = await open(t);
    await page.keyboard.press('g');
    await page.keyboard.press('r');
    await driver.heading('Runs');
    assert.equal(await page.evaluate('document.activeElement?.id'), 'title');
    const rows = page.locator('main tr[data-row]');
    await rows.first().waitFor();
    await page.keyboard.press('j');
    await page.keyboard.press('j');
    await page.keyboard.press('k');
    assert.equal(await rows.first().locator(':focus').count(), 1);
    await page.keyboard.press('x');
    await page.getByText('1 selected').waitFor();
    await page.keyboard.press('/');
    assert.equal(await page.evaluate('document.activeElement?.dataset.search'), 'true');
    await page.keyboard.type('zzz');
    await page.getByText(/^Nothing matches/).waitFor();
    await page.keyboard.press('Escape');
    await page.keyboard.press('?');
    await page.getByRole('dialog').getByText('Keyboard').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await page.keyboard.press('g');
    await page.keyboard.press('f');
    await driver.heading('Failed');
    await rows.first().waitFor();
    await page.keyboard.press('j');
    await page.keyboard.press('Enter');
    await page
      .getByRole('button', { name: /^Retry with edited arguments/ })
      .first()
      .waitFor();
  });

  it('keeps filters, order and page in the address, over a reload and Back', async (t) => {
    const { page, ...driver } = await open(t, '#/runs');
    await page.getByRole('checkbox', { name: 'FAILURE' }).check();
    await page.getByLabel('Task').fill('charge*');
    await page.getByLabel('Order', { exact: true }).selectOption('oldest');
    await page.waitForURL(/state=FAILURE/);
    await page.waitForURL(/name=charge/);
    await page.waitForURL(/sort=oldest/);
    await page.getByText('12 shown').waitFor();
    await driver.reload();
    await page.getByText('12 shown').waitFor();
    assert(await page.getByRole('checkbox', { name: 'FAILURE' }).isChecked());
    assert.equal(await page.getByLabel('Task').inputValue(), 'charge*');
    await page.locator('main tr[data-row] [data-primary]').first().click();
    await driver.heading('charge_card');
    await page.goBack();
    await page.getByText('12 shown').waitFor();
    await page.getByRole('button', { name: 'Clear the filter' }).click();
    await page.getByText('50 shown').waitFor();
    await page.getByRole('button', { name: 'Next' }).click();
    await page.waitForURL(/cursor=/);
    await page.getByRole('button', { name: 'Previous' }).click();
    await page.getByText('50 shown').waitFor();
  });

  it('leads from a part of a workflow to its graph', async (t) => {
    const { page, ...driver } = await open(t, `#/runs/${encodeURIComponent(runs.flow.id)}`);
    for (const name of ['Workflow', 'Graph']) {
      await page.getByRole('link', { name, exact: true }).click();
      await driver.heading('Workflow');
      await page.getByText(/a chain of 8 tasks/).waitFor();
      await page.goBack();
    }
  });

  it('has room for all fields and texts of a list and of what failed', async (t) => {
    const { page, ...driver } = await open(t, '#/runs');
    await page.getByText('More filters').click();
    await driver.fits();
    await page.getByLabel('Text in arguments').fill('zzz');
    await page.getByText(/More filters has ids and tags/).waitFor();
    await driver.goTo('#/failed', 'Failed');
    await page.locator('main tr[data-row] [data-primary]').first().click();
    await page.getByText(/The first of them .* ago, the latest .* ago/).waitFor();
  });

  it('remembers the theme that was chosen', async (t) => {
    const { page, ...driver } = await open(t);
    const dark = () => page.evaluate('getComputedStyle(document.documentElement).colorScheme');
    assert.equal(await dark(), 'light');
    await page.getByRole('button', { name: 'Theme: system' }).click();
    await page.getByRole('button', { name: 'Theme: light' }).click();
    assert.equal(await dark(), 'dark');
    await driver.reload();
    await page.getByRole('button', { name: 'Theme: dark' }).waitFor();
    assert.equal(await dark(), 'dark');
  });

  function open(t: Parameters<typeof PageDriver.open>[0], at = '#/') {
    return PageDriver.open(t, url, {
      browser,
      at,
      colorScheme: 'light',
      viewport: { width: 1280, height: 800 },
    }).then((driver) => ({
      page: driver.page,
      heading: (title: string) => driver.heading(title),
      reload: () => driver.reload(),
      fits: () => driver.fits(),
      goTo: (at: string, title: string) => driver.goTo(at, title),
    }));
  }
});

async function fill(app: Celeriac, { tasks }: Shop) {
  const many = await Promise.all(Array.from({ length: 40 }, (_, page) => tasks.renderPage.delay(page)));
  const failing = await Promise.all(Array.from({ length: 12 }, (_, n) => tasks.charge.delay(n + 1)));
  const [running, stream, order, flow, retrying] = await Promise.all([
    tasks.report.delay('42'),
    tasks.write.delay(8),
    tasks.order.delay('7'),
    tasks.flow(6).delay(),
    tasks.mail.delay(),
  ]);
  await tasks.renderPage.applyAsync([99], { queue: 'reports', countdown: '1h' });
  await app.schedules.upsert({
    name: 'nightly',
    schedule: crontab('0 3 * * *'),
    task: tasks.renderPage,
    args: [1],
  });
  await app.schedules.upsert({
    name: 'often',
    schedule: crontab('*/5 * * * *'),
    task: tasks.renderPage,
    args: [2],
  });
  await app.schedules.pause('often');
  await app.queues.pause('reports');
  for (const result of [...many, flow]) await result.get({ timeout: '30s' });
  await app.control.rateLimit('charge_card', '600/m');
  await app.control.timeLimit('render_page', '30s', '1m');
  const failed = failing.at(-1);
  assert(failed !== undefined);
  await reaches(failed, 'FAILURE');
  await reaches(running, 'PROGRESS');
  await reaches(order, 'WAITING');
  await reaches(retrying, 'RETRY');
  await reaches(stream, 'STARTED');
  return { failed, running, stream, order, flow };
}

/** Something to draw, for pictures. */
async function busy({ tasks }: Shop): Promise<void> {
  for (let second = 0; second < 60; second++) {
    const many = Math.round(12 + 8 * Math.sin(second / 8));
    for (let n = 0; n < many; n++) await tasks.renderPage.delay(n);
    if (second % 7 === 0) await tasks.charge.delay(200);
    await pause(1_000);
  }
}

async function reaches(result: AsyncResult, state: string): Promise<void> {
  await until(async () => (await result.snapshot()).state === state, `${state} of ${result.id}`);
}

async function picture({ page }: PageDriver, name: string): Promise<void> {
  if (process.env.CELERIAC_IMAGES === undefined) return;
  mkdirSync(IMAGES, { recursive: true });
  await page.screenshot({ path: join(IMAGES, `${name}.png`), animations: 'disabled' });
}
