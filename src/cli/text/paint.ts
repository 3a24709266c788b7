/**
 * Colors for lines that contain foreign text. A color is first a mark that no other process can forge. When a line is
 * printed, all escape sequences in it are removed, and then the marks become escape sequences.
 */
import { randomBytes } from 'node:crypto';
import { printable } from './printable.js';

/** Functions that color a text. Compatible with the colors of picocolors. */
export interface Colors {
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
  cyan(text: string): string;
}

export class Paint {
  readonly colors: Colors;
  readonly #marks: RegExp;

  constructor() {
    const nonce = randomBytes(8).toString('hex');
    const mark = (code: number): string => `\u0001${nonce}${code}\u0002`;
    this.#marks = new RegExp(`\u0001${nonce}(\\d+)\u0002`);
    const pair = (open: number, close: number) => (text: string) => mark(open) + text + mark(close);
    this.colors = {
      bold: pair(1, 22),
      dim: pair(2, 22),
      red: pair(31, 39),
      green: pair(32, 39),
      yellow: pair(33, 39),
      cyan: pair(36, 39),
    };
  }

  /**
   * The line as it may be printed: our marks become escape sequences, or are removed without colors; other control
   * sequences are removed.
   * @param clean removes control sequences from the text between the marks
   */
  finish(text: string, colored: boolean, clean: (part: string) => string = printable): string {
    // Split by a group: texts at even places, codes between them.
    return text
      .split(this.#marks)
      .map((part, index) => (index % 2 === 0 ? clean(part) : colored ? `\u001b[${part}m` : ''))
      .join('');
  }
}
