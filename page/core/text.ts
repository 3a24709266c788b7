/**
 * Names and payloads as text that a reader can trust. Whoever calls a task chooses its name, arguments and tags: characters
 * that hide, or turn the direction of what follows, are shown as their code. Markup is never made of any of it.
 */

// Controls, format characters (direction, zero width), line separators, lone surrogates.
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;
// Emoji and Persian need the joiners; lines and tabs are laid out.
const KEPT = new Set(['\n', '\t', '\u200c', '\u200d']);

/** The text with hidden characters as `\u{202e}`. */
export function visible(text: string): string {
  return text.replace(HIDDEN, (char) =>
    KEPT.has(char) ? char : `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

/** {@link visible} in one line, cut after `most` characters. */
export function oneLine(text: string, most = 200): string {
  const cut = text.length > most ? `${text.slice(0, most)}…` : text;
  return visible(cut).replace(/[\n\t]+/g, ' ');
}

const ONE_LINE = 72;

/** A JSON value for people, in one line where it is short; what cannot be JSON is shown as text. */
export function pretty(value: unknown): string {
  if (value === undefined) return 'undefined';
  try {
    const tight = JSON.stringify(value) ?? String(value);
    return tight.length <= ONE_LINE ? tight : JSON.stringify(value, null, 2);
  } catch {
    return String(value);
  }
}

/** `1 run`, `12 runs`, `12,345 runs`. */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${number(n)} ${n === 1 ? one : many}`;
}

const plain = new Intl.NumberFormat('en');
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

/** `12,345`. */
export function number(n: number): string {
  return plain.format(n);
}

/** `12.3K` from ten thousand on. */
export function compact(n: number): string {
  return n < 10_000 ? plain.format(n) : short.format(n);
}

/** A rate: `0`, `0.4`, `12`. */
export function rate(perSecond: number): string {
  if (perSecond === 0) return '0';
  return perSecond < 10 ? perSecond.toFixed(1) : compact(Math.round(perSecond));
}

export function percent(share: number): string {
  const hundredth = share * 100;
  return `${hundredth > 0 && hundredth < 10 ? hundredth.toFixed(1) : Math.round(hundredth)} %`;
}

/** Bytes as `12.3 MB`. */
export function bytes(n: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let left = n;
  let unit = 0;
  while (left >= 1000 && unit < units.length - 1) {
    left /= 1000;
    unit++;
  }
  return `${left < 10 && unit > 0 ? left.toFixed(1) : Math.round(left)} ${units[unit]}`;
}
