/**
 * Jobs for looking at: without what a task wrote meanwhile, and with arguments only where these are short. What is cut is
 * cut by the broker, so a question about a thousand jobs of 2 MB moves some hundred kilobytes.
 */
import { writeMessage } from '../protocol/message.js';

/** Messages longer than this, as text, come without their arguments. */
export const LONGEST_DATA = 16_384;
/** Of a long message its end is read, where everything but its arguments stands. */
export const TAIL = 4_096;

/**
 * The message of a job whose arguments are left out.
 * @param tail the end of its text, cut anywhere
 */
export function withoutLongArguments(tail: string, length: number): string {
  return withoutArguments(fieldsIn(tail), length);
}

/** @param fields of the message, but for its version and its arguments */
export function withoutArguments(fields: object, length: number): string {
  const { v: _, args: __, ...rest } = fields as { v?: unknown; args?: unknown };
  return writeMessage(JSON.stringify([`[${length.toLocaleString('en')} bytes]`]), rest);
}

/**
 * What stands behind the arguments. Only what begins right after them is closed by the very end of the text, so what looks
 * like a field inside them is not taken for one.
 */
function fieldsIn(tail: string): object {
  for (let at = tail.indexOf(',"'); at >= 0; at = tail.indexOf(',"', at + 1)) {
    try {
      return JSON.parse(`{${tail.slice(at + 1)}`) as object;
    } catch {
      // Inside the arguments, or of an inner field.
    }
  }
  return {};
}
