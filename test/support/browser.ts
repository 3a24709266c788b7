/** A real browser: Debian's Chromium, which `scripts/setup.sh` installs, driven by playwright-core. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

/** `CHROMIUM` names another one. */
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking'];

type Cleanup = Pick<TestContext, 'after'>;

/** Starts a browser; it is closed after the test, or after the suite whose `after` is given. */
export async function startBrowser(t: Cleanup): Promise<Browser> {
  assert(existsSync(CHROMIUM), `there is no Chromium at ${CHROMIUM}: run scripts/setup.sh, or set CHROMIUM`);
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
  t.after(() => browser.close());
  return browser;
}

/**
 * Opens a page in a browser context of its own. The test fails at its end when the page threw an error that it did not
 * catch.
 * @param browser shared by several tests; without it the page has its own
 */
export async function openPage(
  t: Cleanup,
  url: string,
  { browser, ...context }: BrowserContextOptions & { browser?: Browser } = {},
): Promise<Page> {
  const page = await (browser ?? (await startBrowser(t))).newPage(context);
  const thrown: Error[] = [];
  page.on('pageerror', (error) => void thrown.push(error));
  t.after(async () => {
    if (browser !== undefined) await page.context().close();
    assert.deepEqual(thrown, []);
  });
  await page.goto(url);
  return page;
}
