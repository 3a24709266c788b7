/**
 * The view state of the live page: the part with the focus, what is selected in each part, and whether one part fills
 * the page.
 */
import type { Target } from './target.js';

/** The parts of the page, from its top. */
export type PagePart = 'workers' | 'running' | 'failed' | 'events';

const PARTS: readonly PagePart[] = ['workers', 'running', 'failed', 'events'];

/** Keys as a terminal sends them, and what they do. */
const KEYS: ReadonlyMap<string, (view: PageView) => void> = new Map<string, (view: PageView) => void>([
  ['\t', (view) => view.move(1)],
  ['\u001b[Z', (view) => view.move(-1)],
  ['\u001b[B', (view) => view.select(1)],
  ['\u001bOB', (view) => view.select(1)],
  ['j', (view) => view.select(1)],
  ['\u001b[A', (view) => view.select(-1)],
  ['\u001bOA', (view) => view.select(-1)],
  ['k', (view) => view.select(-1)],
  ['\u001b[6~', (view) => view.select(view.page)],
  [' ', (view) => view.select(view.page)],
  ['\u001b[5~', (view) => view.select(-view.page)],
  ['\u001b[H', (view) => view.select(Number.NEGATIVE_INFINITY)],
  ['\u001b[1~', (view) => view.select(Number.NEGATIVE_INFINITY)],
  ['\u001b[F', (view) => view.select(Number.POSITIVE_INFINITY)],
  ['\u001b[4~', (view) => view.select(Number.POSITIVE_INFINITY)],
  ['z', (view) => view.enlarge()],
]);

/** The rows of a part, as far as the view needs to know them. */
export interface Rows {
  readonly name: PagePart;
  readonly length: number;
  key(row: number): string;
  target(row: number): Target | undefined;
}

/** Where a part stands. */
interface Place {
  from: number;
  /** The selected row. */
  index: number;
  /** Its key, which it is found by when rows move; absent at the top of a list, which shows what is new. */
  key?: string | undefined;
  target?: Target | undefined;
}

export class PageView {
  /** The part that the keys act on. */
  focus: PagePart = 'workers';
  /** Whether the focused part fills the page. */
  enlarged = false;
  /** A part that the page does not show now. */
  hidden: PagePart | undefined;
  /** Number of rows of the focused part on the last page drawn. */
  page = 1;
  readonly #places = new Map<PagePart, Place>(PARTS.map((name) => [name, { from: 0, index: 0 }]));

  /** What is selected in the focused part, as it was drawn last. */
  get target(): Target | undefined {
    return this.#placeOf(this.focus).target;
  }

  /** @returns whether the key has a meaning here */
  press(key: string): boolean {
    const act = KEYS.get(key);
    act?.(this);
    return act !== undefined;
  }

  move(by: number): void {
    const shown = PARTS.filter((part) => part !== this.hidden);
    const at = shown.indexOf(this.focus) + by + shown.length;
    this.focus = shown[at % shown.length] ?? 'workers';
  }

  select(by: number): void {
    const place = this.#placeOf(this.focus);
    place.index = Math.max(0, place.index + by);
    place.key = undefined;
  }

  enlarge(): void {
    this.enlarged = !this.enlarged;
  }

  /**
   * Places the rows of a part: the selected one is in sight, and no room stays empty.
   * @param shown how many rows fit
   * @returns the first row to show, and the selected one
   */
  place(rows: Rows, shown: number): { readonly from: number; readonly selected: number } {
    const place = this.#placeOf(rows.name);
    if (rows.name === this.focus) this.page = Math.max(1, shown);
    place.index = Math.min(found(rows, place), Math.max(0, rows.length - 1));
    place.key = place.index === 0 ? undefined : rows.key(place.index);
    place.target = rows.length === 0 ? undefined : rows.target(place.index);
    const least = Math.max(0, place.index - shown + 1);
    place.from = Math.min(Math.max(place.from, least), place.index, Math.max(0, rows.length - shown));
    return { from: place.from, selected: place.index };
  }

  #placeOf(part: PagePart): Place {
    const known = this.#places.get(part);
    if (known !== undefined) return known;
    const made = { from: 0, index: 0 };
    this.#places.set(part, made);
    return made;
  }
}

/** Where the selected row is now; one that is gone gives its place to the next. */
function found({ length, key }: Rows, place: Place): number {
  if (place.key === undefined || key(place.index) === place.key) return place.index;
  for (let row = 0; row < length; row++) if (key(row) === place.key) return row;
  return place.index;
}
