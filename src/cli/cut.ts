/**
 * Text cut to a width, with `…` where something is missing. Pure.
 */

/** Loses its end: sentences say the most at their beginning. */
export function cutEnd(text: string, width: number): string {
  if (text.length <= width) return text;
  return width < 1 ? '' : `${text.slice(0, width - 1)}…`;
}

/** Loses its middle: what tells names apart (`reports@web-7f9c6d5b8d-xk2vj`) often stands at their end. */
export function cutMiddle(text: string, width: number): string {
  if (text.length <= width) return text;
  if (width < 3) return cutEnd(text, width);
  const head = Math.ceil((width - 1) / 2);
  return `${text.slice(0, head)}…${text.slice(text.length - (width - 1 - head))}`;
}
