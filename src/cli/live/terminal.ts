/**
 * A terminal that shows one changing page. It uses the alternate screen, and must always restore the previous content
 * and the cursor when it ends.
 */

import { type Cancel, every } from '../../timers.js';
import { type KeyEffect, keysOf } from './live-page.js';
import type { ScreenSize } from './screen.js';

const ENTER = '\u001b[?1049h\u001b[?25l\u001b[?7l';
const LEAVE = '\u001b[?7h\u001b[?25h\u001b[?1049l';
const HOME = '\u001b[H';
const REST_OF_LINE = '\u001b[K';
const REST_OF_SCREEN = '\u001b[J';
const CTRL_C = '\u0003';

export interface LiveTerminalParams {
  write(text: string): void;
  /** The lines to show in a terminal of this size. */
  page(size: ScreenSize): string[];
  /** The user wants to leave. */
  onLeave(): void;
  /** Each key but Ctrl-C. */
  onKey(key: string): KeyEffect;
  readonly everyMs: number;
}

export class LiveTerminal {
  readonly #stopDrawing: Cancel;
  #left = false;
  readonly #draw = () => this.#show();
  readonly #restore = () => this.close();
  readonly #onKey = (keys: Buffer) => {
    const text = keys.toString();
    if (text.includes(CTRL_C)) return this.params.onLeave();
    for (const key of keysOf(text)) {
      const effect = this.params.onKey(key);
      if (effect === 'leave') return this.params.onLeave();
      // Drawn before the next key, which acts on what this one has selected.
      if (effect === 'changed') this.#show();
    }
  };

  constructor(private readonly params: LiveTerminalParams) {
    params.write(ENTER);
    process.once('exit', this.#restore);
    process.stdout.on('resize', this.#draw);
    const { stdin } = process;
    if (stdin.isTTY) {
      // Typed characters would be echoed over the page.
      stdin.setRawMode(true);
      stdin.on('data', this.#onKey);
    }
    this.#stopDrawing = every(params.everyMs, this.#draw);
    this.#show();
  }

  /** Draws the page anew. */
  draw(): void {
    if (!this.#left) this.#show();
  }

  /** Gives the terminal back. Idempotent. */
  close(): void {
    if (this.#left) return;
    this.#left = true;
    this.#stopDrawing();
    process.off('exit', this.#restore);
    process.stdout.off('resize', this.#draw);
    const { stdin } = process;
    if (stdin.isTTY) {
      stdin.off('data', this.#onKey);
      stdin.setRawMode(false);
      stdin.pause();
    }
    this.params.write(LEAVE);
  }

  #show(): void {
    const { columns = 80, rows = 24 } = process.stdout;
    const lines = this.params.page({ columns, rows });
    // Cleared first: after a full line the cursor is on its last character, which would be cleared too.
    const text = lines.map((line) => REST_OF_LINE + line).join('\r\n');
    this.params.write(`${HOME}${text}\r\n${REST_OF_SCREEN}`);
  }
}
