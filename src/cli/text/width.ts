/**
 * Text as a terminal shows it: how many columns it takes, and cut to so many, with `…` where something is missing. An
 * ideograph takes two columns, an accent none. Pure.
 */
import stringWidth from 'string-width';

/** Columns on the screen. */
export function widthOf(text: string): number {
  return stringWidth(text);
}

/** Filled up with spaces. */
export function padEnd(text: string, width: number): string {
  return text + space(text, width);
}

/** The same, for figures. */
export function padStart(text: string, width: number): string {
  return space(text, width) + text;
}

function space(text: string, width: number): string {
  return text.length > looked(width) ? '' : ' '.repeat(Math.max(0, width - widthOf(text)));
}

/** Loses its end: sentences say the most at their beginning. */
export function cutEnd(text: string, width: number): string {
  if (fits(text, width)) return text;
  return width < 1 ? '' : `${head(text, width - 1)}…`;
}

/** Loses its middle: what tells names apart (`reports@web-7f9c6d5b8d-xk2vj`) often stands at their end. */
export function cutMiddle(text: string, width: number): string {
  if (fits(text, width)) return text;
  if (width < 3) return cutEnd(text, width);
  const first = head(text, Math.ceil((width - 1) / 2));
  return `${first}…${tail(text, width - 1 - widthOf(first))}`;
}

/** Lines no wider than that, broken between words where it can be. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (fits(longer, width)) {
      line = longer;
      continue;
    }
    if (line !== '') lines.push(line);
    line = word;
    while (!fits(line, width)) {
      // A character wider than the room is alone on its line.
      const part = head(line, width) || firstOf(line);
      lines.push(part);
      line = line.slice(part.length);
    }
  }
  return [...lines, line];
}

/** Long texts are not measured to their end: a result may have megabytes. */
function fits(text: string, width: number): boolean {
  if (text.length * 2 <= width) return true;
  return text.length <= looked(width) && widthOf(text) <= width;
}

function firstOf(text: string): string {
  for (const { segment } of SEGMENTS.segment(text.slice(0, looked(2)))) return segment;
  return text;
}

function head(text: string, width: number): string {
  if (PLAIN.test(text)) return text.slice(0, Math.max(0, width));
  let taken = '';
  let room = width;
  for (const { segment } of SEGMENTS.segment(text.slice(0, looked(width)))) {
    room -= widthOf(segment);
    if (room < 0) break;
    taken += segment;
  }
  return taken;
}

function tail(text: string, width: number): string {
  const near = text.slice(-looked(width));
  let taken = '';
  let room = width;
  for (const { segment } of [...SEGMENTS.segment(near)].reverse()) {
    room -= widthOf(segment);
    if (room < 0) break;
    taken = segment + taken;
  }
  return taken;
}

/** No more of a text is looked at than could fit, with room for what has no width. */
function looked(width: number): number {
  return Math.max(64, width * 16);
}

/** A column a character. */
const PLAIN = /^[ -~]*$/;
const SEGMENTS = new Intl.Segmenter();
