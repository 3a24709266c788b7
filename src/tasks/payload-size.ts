/**
 * `maxPayloadBytes`: how large the encoded arguments or result may be. Counted as the broker stores them, in UTF-8.
 */
import { PayloadTooLargeError } from '../errors.js';

/** Bytes of an encoded text. */
function payloadBytes(text: string): number {
  return Buffer.byteLength(text, 'utf8');
}

/** The limit, and the names of the payload for the error. */
export interface PayloadLimit {
  /** `arguments`, `result`, `meta of state PROGRESS` */
  readonly what: string;
  /** `task "report"` */
  readonly where: string;
  /** `maxPayloadBytes`; undefined for no limit. */
  readonly limit: number | undefined;
}

/** @throws {PayloadTooLargeError} when `text` takes more bytes than the limit */
export function checkPayloadSize(text: string, { what, where, limit }: PayloadLimit): void {
  // A UTF-16 unit takes at most three bytes: a short text needs no counting.
  if (limit === undefined || text.length * 3 <= limit) return;
  const size = payloadBytes(text);
  if (size <= limit) return;
  throw new PayloadTooLargeError(
    `The ${what} of ${where} take ${size} bytes, more than maxPayloadBytes (${limit}). ` +
      'Store the data elsewhere and send a reference to it, or raise maxPayloadBytes.',
  );
}
