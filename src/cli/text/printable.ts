/**
 * Names, ids and messages come from anywhere: nothing in them may steer the terminal of whoever looks at them. Pure.
 */

/**
 * Control characters, and with them every escape sequence; separators that end a line somewhere; and the marks that
 * turn the direction of what follows, so that a line reads as something else.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const STEERING = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;
/** The same without those that JSON escapes by itself. */
const STEERING_IN_JSON = /[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** One line: whatever could steer, and every line break, becomes a dot. */
export function printable(text: string): string {
  return text.replace(STEERING, '·');
}

/** Text that may have several lines: line breaks and tabs stay. */
export function printableText(text: string): string {
  return text.replace(STEERING, (char) => (char === '\n' || char === '\t' ? char : '·'));
}

/** One line that loses nothing: what could steer is written as JSON would, `\n` and `\u001b`. */
export function escaped(text: string): string {
  return text.replace(STEERING, (char) => SHORT.get(char) ?? codeOf(char));
}

/** JSON text that may go to a terminal: it means the same, and nothing in it steers. */
export function printableJson(json: string): string {
  return json.replace(STEERING_IN_JSON, codeOf);
}

const SHORT: ReadonlyMap<string, string> = new Map([
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
]);

function codeOf(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
