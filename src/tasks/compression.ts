/**
 * Large payloads, stored compressed: an envelope `{ $celeriac: 'gzip', value: <base64> }` around the JSON text of the
 * payload, whatever that is. Reading is bounded, since any program may have written the message.
 */
import zlib from 'node:zlib';
import { CeleriacError, NotSerializableError, PayloadTooLargeError } from '../errors.js';
import { type Compression, type CompressionFormat, hasZstd } from '../options/compression.js';

/** A compressed payload. */
export interface CompressedPayload {
  readonly $celeriac: CompressionFormat;
  /** Base64. */
  readonly value: string;
}

/** The most that one payload may hold where the app has no `maxPayloadBytes`, bytes; larger ones are stored as they are. */
export const MOST_INFLATED = 64 * 2 ** 20;

/**
 * The compressed form of a payload.
 * @param text its JSON text
 * @param mostBytes what its readers accept
 * @returns undefined where it is to be stored as it is: it is small, or would not become smaller
 */
export function compressed(
  text: string,
  compression: Compression | false | undefined,
  mostBytes: number,
): CompressedPayload | undefined {
  // A UTF-16 unit takes at most three bytes: a short text needs no counting.
  if (compression === undefined || compression === false || text.length * 3 <= compression.above)
    return undefined;
  const bytes = Buffer.from(text);
  if (bytes.length <= compression.above || bytes.length > mostBytes) return undefined;
  const { format } = compression;
  const value = (format === 'gzip' ? zlib.gzipSync(bytes) : zstd('zstdCompressSync', bytes)).toString(
    'base64',
  );
  return value.length < bytes.length ? { $celeriac: format, value } : undefined;
}

/** How many of the largest payloads a message may hold in all. */
const MOST_TOGETHER = 8;

/** What the payloads of one message may hold together: a list of small ones may be as large as one bomb. */
export class InflationBudget {
  /** Bytes. */
  left: number;

  /** @param mostBytes what one of them may hold */
  constructor(mostBytes: number) {
    this.left = MOST_TOGETHER * mostBytes;
  }
}

export function isCompressed(payload: unknown): payload is CompressedPayload {
  if (typeof payload !== 'object' || payload === null || !('$celeriac' in payload)) return false;
  const { $celeriac: format, value } = payload as Partial<CompressedPayload>;
  return (format === 'gzip' || format === 'zstd') && typeof value === 'string';
}

/**
 * The JSON text in a compressed payload.
 * @throws {PayloadTooLargeError} when it holds more than `mostBytes`
 * @throws {CeleriacError} when this Node cannot read it
 */
export function inflated(
  { $celeriac: format, value }: CompressedPayload,
  mostBytes: number,
  within?: InflationBudget,
): string {
  if (format === 'zstd' && !hasZstd())
    throw new CeleriacError(
      `This payload is compressed with zstd, which this Node (${process.version}) does not have. ` +
        "Use Node 22.15 or later here, or compress: { format: 'gzip' } where it is written.",
      { code: 'NOT_SERIALIZABLE' },
    );
  const bytes = Buffer.from(value, 'base64');
  const most = Math.min(mostBytes, within?.left ?? mostBytes);
  const options = { maxOutputLength: Math.max(1, most) };
  try {
    const text =
      format === 'gzip' ? zlib.gunzipSync(bytes, options) : zstd('zstdDecompressSync', bytes, options);
    if (within !== undefined) within.left -= text.length;
    return text.toString();
  } catch (error) {
    if (error instanceof RangeError)
      throw new PayloadTooLargeError(
        `This compressed payload holds more than ${most} bytes, the most that this app reads. ` +
          'Raise maxPayloadBytes if that is meant.',
      );
    throw new NotSerializableError(
      `The compressed payload cannot be read: ${error instanceof Error ? error.message : String(error)}.`,
      'payload',
      { cause: error },
    );
  }
}

type Zstd = (bytes: Buffer, options?: { readonly maxOutputLength: number }) => Buffer;

/** Called only where {@link hasZstd}. */
function zstd(name: 'zstdCompressSync' | 'zstdDecompressSync', ...args: Parameters<Zstd>): Buffer {
  return (Reflect.get(zlib, name) as Zstd)(...args);
}
