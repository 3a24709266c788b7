/**
 * Measures text in terminal columns and cuts it to a width, with `…` for the missing part. An ideograph takes two
 * columns, an accent none. Pure.
 */
import stringWidth from 'string-width';

/** Columns on the screen. */
export function widthOf(text: string): number {
  return stringWidth(text);
}

/** Pads with spaces at the end. */
export function padEnd(text: string, width: number): string {
  return text + space(text, width);
}

/** Pads with spaces at the start, for figures. */
export function padStart(text: string, width: number): string {
  return space(text, width) + text;
}

function space(text: string, width: number): string {
  return text.length > looked(width) ? '' : ' '.repeat(Math.max(0, width - widthOf(text)));
}

/** Cuts the end: the beginning of a sentence says the most. */
export function cutEnd(text: string, width: number): string {
  if (fits(text, width)) return text;
  return width < 1 ? '' : `${head(text, width - 1)}…`;
}

/** Cuts the middle: names often differ at their end (`reports@web-7f9c6d5b8d-xk2vj`). */
export function cutMiddle(text: string, width: number): string {
  if (fits(text, width)) return text;
  if (width < 3) return cutEnd(text, width);
  const first = head(text, Math.ceil((width - 1) / 2));
  return `${first}…${tail(text, width - 1 - widthOf(first))}`;
}

/** Lines of at most this width, broken between words if possible. */
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
      // A character wider than the room gets its own line.
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

/** How many characters of a text to examine: as many as could fit, with room for those of no width. */
function looked(width: number): number {
  return Math.max(64, width * 16);
}

/** Text in which each character takes one column. */
const PLAIN = /^[ -~]*$/;
const SEGMENTS = new Intl.Segmenter();
