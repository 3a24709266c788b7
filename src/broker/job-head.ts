/**
 * Jobs for display: without progress and results, and with arguments only if these are short. The broker does the cutting,
 * so listing a thousand jobs of 2 MB transfers only some hundred kilobytes.
 */
import { writeMessage } from '../protocol/message.js';

/** Messages longer than this, as text, are read without their arguments. */
export const LONGEST_DATA = 16_384;
/** How much of the end of a long message is read: the fields behind the arguments are there. */
export const TAIL = 4_096;

/**
 * The message of a job with its arguments replaced by their size.
 * @param tail the end of the message's text, cut at any point
 */
export function withoutLongArguments(tail: string, length: number): string {
  return withoutArguments(fieldsIn(tail), length);
}

/** The message with its arguments replaced by their size. @param fields the other fields of the message */
export function withoutArguments(fields: object, length: number): string {
  const { v: _, args: __, ...rest } = fields as { v?: unknown; args?: unknown };
  return writeMessage(JSON.stringify([`[${length.toLocaleString('en')} bytes]`]), rest);
}

/**
 * The fields behind the arguments. Only text that begins right after the arguments parses up to the very end, so text
 * inside them that looks like a field is never mistaken for one.
 */
function fieldsIn(tail: string): object {
  for (let at = tail.indexOf(',"'); at >= 0; at = tail.indexOf(',"', at + 1)) {
    try {
      return JSON.parse(`{${tail.slice(at + 1)}`) as object;
    } catch {
      // This comma is inside the arguments or inside a field.
    }
  }
  return {};
}
