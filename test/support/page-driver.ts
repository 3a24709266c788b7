/** What tests of the page do with it: open a screen, answer its dialogs, read its table, look for what AA forbids. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { TestContext } from 'node:test';
import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core';
import { openPage } from './browser.js';

/** Chromium may be busy with others. */
export const PATIENCE_MS = 20_000;

export class PageDriver {
  constructor(
    readonly page: Page,
    /** With a slash at its end. */
    readonly root: string,
  ) {
    page.setDefaultTimeout(PATIENCE_MS);
  }

  /** Opens a browser at `url`; the test fails when the page throws, or breaks its own security policy. */
  static async open(
    t: Pick<TestContext, 'after'>,
    url: string,
    options: BrowserContextOptions & { browser?: Browser; at?: string } = {},
  ): Promise<PageDriver> {
    const { at = '#/', ...context } = options;
    const page = await openPage(t, `${url}${at}`, context);
    const broken: string[] = [];
    page.on('console', (message) => {
      if (/Content Security Policy/i.test(message.text())) broken.push(message.text());
    });
    t.after(() => assert.deepEqual(broken, []));
    return new PageDriver(page, url);
  }

  /** Goes to a screen as its link would, and waits for its heading. */
  async goTo(at: string, title: string): Promise<void> {
    await this.page.evaluate(`location.hash = ${JSON.stringify(at)}`);
    await this.heading(title);
  }

  async heading(title: string): Promise<void> {
    await this.page.getByRole('heading', { level: 1, name: title, exact: true }).waitFor();
  }

  /** The first row that has this text. */
  row(text: string): Locator {
    return this.page.locator('main tr[data-row]').filter({ hasText: text }).first();
  }

  async sees(text: string | RegExp): Promise<void> {
    await this.page.getByText(text).first().waitFor();
  }

  /** Presses the dialog's last button, once it may be pressed. @returns what the dialog said */
  async confirm(label: string | RegExp): Promise<string> {
    const dialog = this.page.getByRole('dialog');
    const button = dialog.getByRole('button', { name: label });
    await button.waitFor();
    const said = (await dialog.textContent()) ?? '';
    await button.click();
    await dialog.waitFor({ state: 'detached' });
    return said;
  }

  /** What the page says that it has done. */
  async notice(text: string | RegExp): Promise<void> {
    await this.page.locator('.notice').filter({ hasText: text }).first().waitFor();
  }

  /** Nothing may scroll sideways but what is made for it. */
  async fits(): Promise<void> {
    const over = Number(await this.page.evaluate('document.documentElement.scrollWidth - innerWidth'));
    assert(over <= 0, `${await this.page.title()} is ${over} px too wide`);
  }

  /** Every button of a table's rows can be pressed without scrolling sideways, and nothing lies over it. */
  async actionsAreInReach(): Promise<void> {
    const hidden = await this.page.evaluate(OUT_OF_REACH);
    assert.deepEqual(hidden, [], await this.page.title());
  }

  /** No rule of WCAG 2.2 AA is broken. The page must have been opened with `bypassCSP`. */
  async isAccessible(): Promise<void> {
    await this.page.evaluate(AXE);
    const { violations } = (await this.page.evaluate(
      `axe.run(document, { runOnly: ${JSON.stringify(RULES)}, resultTypes: ['violations'] })`,
    )) as AxeResults;
    const found = violations.map(
      ({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).join(', ')}`,
    );
    assert.deepEqual(found, [], await this.page.title());
  }

  /** Begins to count how far things move by themselves. */
  async watchShifts(): Promise<() => Promise<number>> {
    await this.page.evaluate(`
      globalThis.shifted = 0;
      new PerformanceObserver((list) => {
        for (const { value, hadRecentInput } of list.getEntries()) if (!hadRecentInput) shifted += value;
      }).observe({ type: 'layout-shift' });`);
    return async () => Number(await this.page.evaluate('shifted'));
  }

  async reload(): Promise<void> {
    await this.page.reload();
  }

  address(): string {
    return this.page.url().slice(this.root.length);
  }
}

const OUT_OF_REACH = `[...document.querySelectorAll('main tbody button:not(.sort), main tbody a.button')].filter((button) => {
  button.scrollIntoView({ block: 'center', inline: 'nearest', behavior: 'instant' });
  for (const box of document.querySelectorAll('main .table-box')) box.scrollLeft = 0;
  const { left, right, top, height } = button.getBoundingClientRect();
  if (left < 0 || right > innerWidth) return true;
  const [x, y] = [(left + right) / 2, top + height / 2];
  return !button.contains(document.elementFromPoint(x, y));
}).map((button) => button.textContent)`;

interface AxeResults {
  readonly violations: readonly {
    readonly id: string;
    readonly nodes: readonly { readonly target: readonly string[] }[];
  }[];
}

const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
