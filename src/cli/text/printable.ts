/**
 * Makes foreign text safe to print: names, ids and messages come from anywhere and must never control a terminal. Pure.
 */

/**
 * Control characters, and with them every escape sequence; separators that some terminals take for a line end; and
 * marks that reverse the direction of text, so that a line reads as something else.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const STEERING = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;
/** The same characters, except those that JSON escapes by itself. */
const STEERING_IN_JSON = /[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** One line: every control character and line break becomes a dot. */
export function printable(text: string): string {
  return text.replace(STEERING, '·');
}

/** Text that may have several lines: line breaks and tabs stay. */
export function printableText(text: string): string {
  return text.replace(STEERING, (char) => (char === '\n' || char === '\t' ? char : '·'));
}

/** The same for text that is colored: the codes of colors stay, too. */
export function coloredText(text: string): string {
  return text
    .split(COLOR)
    .map((part, i) => (i % 2 === 1 ? part : printableText(part)))
    .join('');
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: a color begins with one
const COLOR = /(\u001b\[[\d;]*m)/;

/** One line that loses nothing: control characters are written as in JSON, `\n` and `\u001b`. */
export function escaped(text: string): string {
  return text.replace(STEERING, (char) => SHORT.get(char) ?? codeOf(char));
}

/** JSON text that is safe in a terminal and has the same meaning. */
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
