/** The option `compress`: from which size payloads are stored compressed, and how. */
import zlib from 'node:zlib';
import { OptionError } from '../errors.js';
import { show } from '../show.js';
import { checkNames } from './names.js';
import { checkSize } from './worker-values.js';

export type CompressionFormat = 'gzip' | 'zstd';

/**
 * Payloads larger than this are compressed: bytes, or a size such as `'8kb'`; `false` for never. `format: 'zstd'` says that
 * every process of the app, and all who read its tasks, run a Node that has it (22.15 or later).
 */
export type CompressOption =
  | number
  | string
  | false
  | { readonly above: number | string; readonly format?: CompressionFormat };

/** {@link CompressOption}, resolved. */
export interface Compression {
  /** Bytes. */
  readonly above: number;
  readonly format: CompressionFormat;
}

/** @throws {OptionError} for anything else, and for `zstd` where this Node does not have it */
export function checkCompress(given: unknown, where: string): Compression | false {
  if (given === false) return false;
  if (typeof given !== 'object' || given === null) return { above: checkSize(given, where), format: 'gzip' };
  checkNames(given, ['above', 'format'], where);
  const { above, format = 'gzip' }: { readonly above?: unknown; readonly format?: unknown } = given;
  if (format !== 'gzip' && format !== 'zstd')
    throw new OptionError(`${where}.format ${show(format)} must be 'gzip' or 'zstd'.`);
  if (format === 'zstd' && !hasZstd())
    throw new OptionError(
      `${where}.format: this Node (${process.version}) has no zstd; 22.15 and later have it. Use 'gzip'.`,
    );
  return { above: checkSize(above, `${where}.above`), format };
}

/** Whether this Node can read and write zstd. */
export function hasZstd(): boolean {
  return typeof Reflect.get(zlib, 'zstdCompressSync') === 'function';
}
