/**
 * The live page of `celeriac events` and `celeriac top`: what its keys do, and what it shows. It has one last line, for
 * help, a question, or what came of an action.
 */
import { printable } from '../text/printable.js';
import { cutEnd } from '../text/width.js';
import { actionFor, actionsHelp, failureText, type LiveAction, type LiveApp } from './actions.js';
import { detailLines } from './details.js';
import { fit } from './lines.js';
import { PageView } from './page-view.js';
import { Prompt } from './prompt.js';
import { renderScreen, type ScreenFacts, type ScreenSize, withBottom } from './screen.js';
import type { FleetState } from './state.js';
import type { Target } from './target.js';

/** Settings of {@link LivePage}. */
export interface LivePageParams {
  readonly app: LiveApp;
  readonly appName: string;
  readonly title: string;
  readonly state: FleetState;
  readonly colors: ScreenFacts['colors'];
  /** The watcher's clock, epoch ms. */
  now(): number;
  /** Called when the page has changed by itself. */
  redraw(): void;
}

/** What a key did: `leave` ends the page. */
export type KeyEffect = 'leave' | 'changed' | 'ignored';

/** How long the last line says what came of an action, ms. */
const SAID_MS = 8_000;

/** An open page of details. */
interface Details {
  readonly target: Target;
  lines: readonly string[];
  from: number;
  /** Number of lines on the last page drawn. */
  page: number;
}

export class LivePage {
  readonly #view = new PageView();
  #details: Details | undefined;
  #asking: { readonly prompt: Prompt; readonly action: LiveAction; readonly target: Target } | undefined;
  #said: { readonly text: string; readonly until: number } | undefined;
  #columns = 80;

  constructor(private readonly params: LivePageParams) {}

  /** Takes one key, as a terminal sends it. */
  press(key: string): KeyEffect {
    if (this.#asking !== undefined) return this.#answer(key);
    this.#said = undefined;
    if (this.#details !== undefined) return this.#pressInDetails(this.#details, key);
    if (key === 'q' || key === 'Q') return 'leave';
    const { target } = this.#view;
    if (key === '\r' || key === '\n' || key === 'i') {
      if (target !== undefined) this.#open(target);
      return 'changed';
    }
    if (this.#view.press(key)) return 'changed';
    return this.#act(key, target);
  }

  /** The lines to show. */
  lines(size: ScreenSize): string[] {
    const { appName: app, title, state, colors } = this.params;
    const now = this.params.now();
    this.#columns = size.columns;
    if (this.#details !== undefined) return this.#detailPage(this.#details, size);
    const bottom = this.#bottom(now) ?? helpText(this.#view);
    return renderScreen({ app, title, state, now, colors, view: this.#view, bottom }, size);
  }

  #answer(key: string): KeyEffect {
    const asking = this.#asking;
    if (asking === undefined) return 'ignored';
    const end = asking.prompt.press(key);
    if (end === 'open') return 'changed';
    this.#asking = undefined;
    if (end === 'answered') this.#run(asking.action, asking.target, asking.prompt.text.trim());
    else this.#say('nothing was done');
    return 'changed';
  }

  #act(key: string, target: Target | undefined): KeyEffect {
    const action = target === undefined ? undefined : actionFor(key, target);
    if (action === undefined || target === undefined) return 'ignored';
    const { asks } = action;
    if (asks === undefined) this.#run(action, target, '');
    else this.#asking = { prompt: new Prompt(asks.kind, asks.question(target)), action, target };
    return 'changed';
  }

  #run(action: LiveAction, target: Target, answer: string): void {
    this.#say('…');
    action
      .run(this.params.app, target, answer)
      .catch(failureText)
      .then((text) => {
        this.#say(text);
        this.params.redraw();
      });
  }

  #say(text: string): void {
    this.#said = { text, until: this.params.now() + SAID_MS };
  }

  #open(target: Target): void {
    const details: Details = { target, lines: ['…'], from: 0, page: 1 };
    this.#details = details;
    detailLines(this.params.app, target, this.#columns)
      .catch((error: unknown) => [printable(failureText(error))])
      .then((lines) => {
        details.lines = lines;
        this.params.redraw();
      });
  }

  #pressInDetails(details: Details, key: string): KeyEffect {
    if (LEAVE_DETAILS.has(key)) this.#details = undefined;
    else {
      const by = DETAIL_KEYS.get(key)?.(details);
      if (by === undefined) return this.#act(key, details.target);
      const most = Math.max(0, details.lines.length - details.page);
      details.from = Math.min(most, Math.max(0, details.from + by));
    }
    return 'changed';
  }

  #detailPage(details: Details, { columns, rows }: ScreenSize): string[] {
    const { colors } = this.params;
    const { target, lines } = details;
    const name = target.kind === 'task' ? `${target.name} ${target.id}` : target.node;
    details.page = Math.max(1, rows - 4);
    const shown = lines.slice(details.from, details.from + details.page);
    const body = [colors.bold(fit([[name]], columns)), '', ...shown.map((line) => cutEnd(line, columns))];
    const below = lines.length - details.from - shown.length;
    const part = target.kind === 'task' ? 'events' : 'workers';
    const help = `Esc back  ${below > 0 ? `… ${below} more lines  ` : ''}${actionsHelp(part)}`;
    const bottom = this.#bottom(this.params.now()) ?? help;
    return withBottom(body, rows, fit([[bottom]], columns), colors);
  }

  /** A question, or what was said lately. */
  #bottom(now: number): string | undefined {
    if (this.#asking !== undefined) return this.#asking.prompt.line;
    return this.#said !== undefined && this.#said.until > now ? this.#said.text : undefined;
  }
}

const LEAVE_DETAILS: ReadonlySet<string> = new Set(['\u001b', '\r', '\n', 'q', 'i', '\u007f', '\u001b[D']);

/** Keys of the details, and by how many lines they scroll. */
const DETAIL_KEYS: ReadonlyMap<string, (details: Details) => number> = new Map<
  string,
  (details: Details) => number
>([
  ['\u001b[B', () => 1],
  ['\u001bOB', () => 1],
  ['j', () => 1],
  ['\u001b[A', () => -1],
  ['\u001bOA', () => -1],
  ['k', () => -1],
  ['\u001b[6~', ({ page }) => page],
  [' ', ({ page }) => page],
  ['\u001b[5~', ({ page }) => -page],
  ['\u001b[H', () => Number.NEGATIVE_INFINITY],
  ['\u001b[F', () => Number.POSITIVE_INFINITY],
]);

/** Fits 80 columns. */
function helpText({ focus }: PageView): string {
  return `Tab part  Enter info  ${actionsHelp(focus)}  z zoom  q leave`;
}

/** Splits what a terminal sends at once into keys: fast typing arrives together. */
export function keysOf(text: string): string[] {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: keys begin with escape
  return text.match(/\u001b\[[\d;]*[A-Za-z~]|\u001bO[A-Za-z]|[\s\S]/gu) ?? [];
}
