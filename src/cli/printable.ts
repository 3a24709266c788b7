/**
 * Names, ids and messages come from anywhere: nothing in them may steer the terminal of whoever looks at them.
 */

/** Control characters, and with them escape sequences, become dots. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, '·');
}
