/**
 * Jobs as rows of a list: all that decides their state, with short texts. The broker does the cutting, so that a page of
 * jobs of 2 MB each costs no more than one of small jobs. Pure.
 */
import { packRevocation, packStack } from '../protocol/message.js';

/** Stacks up to this length are read in full. */
export const LONGEST_STACK = 16_384;
/** How much of the end of a longer one is read: what celeriac adds stands there. */
export const STACK_TAIL = 8_192;
/** Results up to this length are read: one of them says that the task was replaced. */
export const LONGEST_RESULT = 100;
/** A longer progress is read without its meta. */
export const LONGEST_PROGRESS = 4_096;
/** How much of the text of an error is read. */
export const LONGEST_REASON = 1_000;

/** The text of a result that was not read, as JSON. */
export const UNREAD_RESULT = 'null';

/** The mark in front of the error that celeriac adds to a stack, as it stands in the text of a JSON list. */
const ESCAPED_MARK = '\\n    celeriac: ';

/** The last stack of a JSON list of them, from the end of its text: without its readable half. */
export function stackInTail(tail: string): string {
  const at = tail.lastIndexOf(ESCAPED_MARK);
  const text = at < 0 ? undefined : parsed(`"${tail.slice(at + ESCAPED_MARK.length, -1)}`);
  const wireError = typeof text === 'string' ? parsed(text) : undefined;
  if (wireError !== undefined) return packStack('', wireError);
  // The error is longer than the tail: what was written last is left.
  return tail.endsWith('\\"revoked\\":true}"]') ? packRevocation('', {}) : '';
}

/** Of a long progress, what decides the state. */
export function shortProgress(head: string, tail: string): unknown {
  const state = /^\{"state":"([^"\\]*)"/.exec(head)?.[1];
  if (state === undefined) return undefined;
  return { state, attempt: Number(/"attempt":(\d+)\}$/.exec(tail)?.[1] ?? 0) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // cut in the middle, or another program's
  }
}
