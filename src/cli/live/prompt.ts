/** A question on the last line of the live page, and its answer so far. Pure. */

/** How a question ended, or that it is still open. */
export type PromptEnd = 'open' | 'answered' | 'left';

export class Prompt {
  /** The typed text. */
  text = '';

  constructor(
    readonly kind: 'confirm' | 'text',
    readonly question: string,
  ) {}

  /** The line to show. */
  get line(): string {
    return this.kind === 'confirm' ? `${this.question} [y/N]` : `${this.question}${this.text}█`;
  }

  /** Takes a key. */
  press(key: string): PromptEnd {
    if (key === '\u001b') return 'left';
    return this.kind === 'confirm' ? this.#confirm(key) : this.#type(key);
  }

  #confirm(key: string): PromptEnd {
    return /^y$/i.test(key) ? 'answered' : 'left';
  }

  #type(key: string): PromptEnd {
    if (key === '\r' || key === '\n') return this.text.trim() === '' ? 'left' : 'answered';
    if (key === '\u007f' || key === '\b') this.text = this.text.slice(0, -1);
    // A key that moves has several characters, and no meaning here.
    else if ([...key].length === 1 && key >= ' ') this.text += key;
    return 'open';
  }
}
