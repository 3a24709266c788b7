/**
 * The view state of the live page: the part with the focus, the scroll position of each part, and whether one fills the
 * page.
 */

/** The parts of the page, from its top. */
export type PagePart = 'workers' | 'running' | 'failed' | 'events';

const PARTS: readonly PagePart[] = ['workers', 'running', 'failed', 'events'];

/** Keys as a terminal sends them, and what they do. */
const KEYS: ReadonlyMap<string, (view: PageView) => void> = new Map<string, (view: PageView) => void>([
  ['\t', (view) => view.move(1)],
  ['\u001b[Z', (view) => view.move(-1)],
  ['\u001b[B', (view) => view.scroll(1)],
  ['\u001bOB', (view) => view.scroll(1)],
  ['j', (view) => view.scroll(1)],
  ['\u001b[A', (view) => view.scroll(-1)],
  ['\u001bOA', (view) => view.scroll(-1)],
  ['k', (view) => view.scroll(-1)],
  ['\u001b[6~', (view) => view.scroll(view.page)],
  [' ', (view) => view.scroll(view.page)],
  ['\u001b[5~', (view) => view.scroll(-view.page)],
  ['\u001b[H', (view) => view.scroll(Number.NEGATIVE_INFINITY)],
  ['\u001b[F', (view) => view.scroll(Number.POSITIVE_INFINITY)],
  ['\r', (view) => view.enlarge()],
]);

/** Help for the keys, in one line of 80 columns. */
export const KEYS_HELP = 'Tab: next part   Up, Down, PgUp, PgDn: scroll   Enter: enlarge   q: leave';

export class PageView {
  /** The part that the keys act on. */
  focus: PagePart = 'workers';
  /** Whether the focused part fills the page. */
  enlarged = false;
  /** Number of lines of the focused part on the last page drawn. */
  page = 1;
  readonly #offsets = new Map<PagePart, number>();

  /** @returns whether the keys have a meaning here */
  press(keys: string): boolean {
    const act = KEYS.get(keys);
    act?.(this);
    return act !== undefined;
  }

  move(by: number): void {
    const at = PARTS.indexOf(this.focus) + by + PARTS.length;
    this.focus = PARTS[at % PARTS.length] ?? 'workers';
  }

  scroll(by: number): void {
    this.#offsets.set(this.focus, Math.max(0, (this.#offsets.get(this.focus) ?? 0) + by));
  }

  enlarge(): void {
    this.enlarged = !this.enlarged;
  }

  /**
   * The first row to show of a part, limited so that no room stays empty.
   * @param shown how many rows fit
   */
  from(part: PagePart, length: number, shown: number): number {
    const offset = Math.min(this.#offsets.get(part) ?? 0, Math.max(0, length - shown));
    this.#offsets.set(part, offset);
    if (part === this.focus) this.page = Math.max(1, shown);
    return offset;
  }
}
