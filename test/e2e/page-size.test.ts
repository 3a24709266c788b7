/** The page where there is much of everything, and where names and payloads mean harm. */
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { Celeriac, chain, every, group } from 'celeriac';
import type { Browser } from 'playwright-core';
import type { WorkerList } from '#src/web/api.js';
import { gate, uniqueName, until } from '../support/app.js';
import { startBrowser } from '../support/browser.js';
import { PageDriver } from '../support/page-driver.js';
import { servePage } from '../support/page-server.js';
import { type RedisServer, startRedis } from '../support/redis.js';

const QUIET = { debug() {}, info() {}, warn() {}, error() {} };

describe('The page, of a large fleet', () => {
  const cleanups: (() => unknown)[] = [];
  const suite = { after: (cleanup: () => unknown) => void cleanups.unshift(cleanup) } as never;
  let redis: RedisServer;
  let browser: Browser;

  before(async () => {
    redis = await startRedis();
    cleanups.push(() => redis.close());
    browser = await startBrowser(suite);
  });

  after(async () => {
    for (const cleanup of cleanups) await cleanup();
  });

  it('shows 5,000 running tasks a page at a time, and counts them all before it changes them', async (t) => {
    const { app, open } = fleet(t);
    const go = gate();
    t.after(() => go.open());
    const wait = app.task('wait', async (_: number) => go.opened);
    await app.worker({ name: 'web-1', concurrency: 5_000 }).start();
    for (let sent = 0; sent < 5_000; sent += 500)
      await Promise.all(Array.from({ length: 500 }, (_, n) => wait.delay(sent + n)));
    await until(async () => (await app.queues.list())[0]?.active === 5_000, '5,000 running tasks', 60_000);
    const driver = await open('#/runs?state=STARTED');
    const { page } = driver;
    await page.locator('main tr[data-row]').nth(49).waitFor();
    await page.getByRole('button', { name: 'Next' }).click();
    await page.waitForURL(/cursor=/);
    await page.locator('main tr[data-row]').nth(49).waitFor();
    await page.getByRole('button', { name: 'Revoke all that match' }).click();
    await page.getByRole('dialog').getByText('It matches 5,000 runs now.').waitFor();
    await page.keyboard.press('Escape');
    await driver.goTo('#/workers?open=web-1', 'Workers');
    await page.locator('main').getByText('5000/5000').waitFor();
    await driver.goTo('#/', 'Overview');
    await page
      .locator('.tile')
      .filter({ hasText: /Running\s*5,000/ })
      .waitFor();
    go.open();
    await page
      .locator('.tile')
      .filter({ hasText: /Running\s*0/ })
      .waitFor();
  });

  it('lists 200 queues and 300 workers, sorts them and finds one', async (t) => {
    const { app, open } = fleet(t);
    const send = app.task('send', async () => undefined);
    await Promise.all(
      Array.from({ length: 200 }, (_, n) =>
        Promise.all(Array.from({ length: (n % 3) + 1 }, () => send.applyAsync([], { queue: `queue-${n}` }))),
      ),
    );
    await app.worker({ name: 'node-0', concurrency: 1 }).start();
    const driver = await open('#/queues');
    const { page } = driver;
    const rows = page.locator('main tr[data-row]');
    await rows.nth(199).waitFor();
    await page.getByRole('button', { name: 'Waiting' }).click();
    await rows.first().getByText('3', { exact: true }).first().waitFor();
    await page.keyboard.press('/');
    await page.keyboard.type('queue-17');
    await driver.sees(/^11 of 2\d\d queues/);
    assert.equal(await rows.count(), 11);
    // Three hundred of the one there is: starting them would take the test minutes.
    await page.route('**/api/v1/workers', async (route) => {
      const answer = await route.fetch();
      const { workers } = (await answer.json()) as WorkerList;
      const many = Array.from({ length: 300 }, (_, n) => ({ ...workers[0], node: `node-${n}` }));
      await route.fulfill({ response: answer, json: { workers: many } });
    });
    await driver.goTo('#/workers', 'Workers');
    await rows.nth(299).waitFor();
    await page.keyboard.press('/');
    await page.keyboard.type('node-299');
    await driver.sees('1 of 300 workers');
    await rows.first().locator('[data-primary]').click();
    await driver.sees('Grow the pool');
  });

  it('folds a workflow of 10,000 members, and unfolds a page of them', async (t) => {
    const { app, open } = fleet(t);
    const first = app.task('first', async () => 1);
    const part = app.task('part', async (n: number) => n);
    const last = app.task('last', async (all: number[]) => all.length);
    await app.worker({ name: 'web-1', concurrency: 50, queues: ['first'] }).start();
    const members = Array.from({ length: 10_000 }, (_, n) => part.si(n));
    const flow = await chain(first.si().set({ queue: 'first' }), group(members), last.s()).delay();
    const driver = await open(`#/runs/${encodeURIComponent(flow.id)}/graph`);
    const { page } = driver;
    await driver.heading('Workflow');
    await driver.sees('10,002 tasks');
    await page.locator('.part').filter({ hasText: 'group of 10,000 tasks' }).click();
    await driver.sees('members 1 to 50 of 10,000');
    await page.locator('.part').nth(50).waitFor();
    await page.getByRole('button', { name: 'Later members' }).click();
    await driver.sees('members 51 to 100 of 10,000');
    await page.getByRole('button', { name: 'Fold' }).click();
    await page.locator('.part').nth(50).waitFor({ state: 'detached' });
  });

  it('shows names and payloads that mean harm as text, wherever they appear', async (t) => {
    const { app, open } = fleet(t);
    const harm = `<img src=x onerror="globalThis.harmed=1"><script>globalThis.harmed=1</script>`;
    const turned = 'invoice\u202Efdp.exe\u001B[31mred\u0000';
    const failing = app.task(`report ${harm}`, async (..._: unknown[]) => {
      throw Object.assign(new Error(`${harm} ${turned}`), { name: 'BadError' });
    });
    const huge = app.task('huge', async (text: string) => text);
    await app.worker({ name: `node ${harm}`, concurrency: 4 }).start();
    const failed = await failing.delay(harm, turned, JSON.parse('{"__proto__": {"polluted": true}}'), 'שלום');
    const large = await huge.delay('<b>2 MB</b> '.repeat(170_000));
    await app.schedules.upsert({ name: `daily ${harm}`, schedule: every('1h'), task: huge, args: [harm] });
    await until(async () => (await failed.snapshot()).state === 'FAILURE', 'the failure');
    await large.get({ timeout: '30s' });
    const driver = await open('#/');
    const { page } = driver;
    const text = page.locator('main').getByText('<img src=x onerror', { exact: false }).first();
    const screens = [
      ['#/', 'Overview'],
      ['#/runs', 'Runs'],
      ['#/tasks', 'Tasks'],
      ['#/workers', 'Workers'],
      ['#/schedules', 'Schedules'],
      ['#/failed', 'Failed'],
    ] as const;
    for (const [at, title] of screens) {
      await driver.goTo(at, title);
      await text.waitFor();
      assert.equal(await page.locator('main img, main script').count(), 0, title);
    }
    await driver.row('BadError').locator('[data-primary]').click();
    await driver
      .row('BadError')
      .getByRole('button', { name: /^Delete/ })
      .click();
    await page.getByRole('dialog').getByText('<img src=x onerror', { exact: false }).first().waitFor();
    await page.keyboard.press('Escape');
    await page.goto(`${driver.root}#/runs/${encodeURIComponent(failed.id)}`);
    await driver.sees('Why it failed');
    const said = await page.locator('main').textContent();
    assert.match(said ?? '', /invoice\\u\{202e\}fdp\.exe\\u\{1b\}\[31mred/);
    await driver.sees(/"__proto__"/);
    await page.goto(`${driver.root}#/runs/${encodeURIComponent(large.id)}`);
    await page.getByRole('button', { name: 'Show all 2.0 MB' }).first().click();
    await driver.fits();
    assert.equal(await page.evaluate('globalThis.harmed ?? Object.prototype.polluted'), undefined);
    assert.equal(await page.locator('main img, main script, main b b').count(), 0);
  });

  function fleet(t: TestContext) {
    const app = new Celeriac('large', {
      broker: redis.url,
      prefix: uniqueName(),
      logger: QUIET,
      publishRetry: '60s',
    });
    t.after(() => app.close());
    const open = async (at: string) => {
      const { url } = await servePage(t, app);
      const viewport = { width: 1280, height: 900 };
      return PageDriver.open(t, url, { browser, at, viewport });
    };
    return { app, open };
  }
});
