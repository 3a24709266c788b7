/** The arguments of a delivery, decoded: its own, after what the workflow around it puts before them. Pure. */
import { decodeInputs } from '../../canvas/workflow/values.js';
import type { Message } from '../../protocol/message.js';
import type { ErrorClasses } from '../../protocol/wire-error.js';
import type { WireCodec } from '../../tasks/wire-codec.js';

/** What decoding needs. */
export interface ArgumentDecoding {
  readonly codec: Pick<WireCodec, 'decodeArgs' | 'decodeEach' | 'decodeResult' | 'budget' | 'require'>;
  /** Rebuilds the errors passed to errbacks. */
  readonly errors: ErrorClasses;
}

/**
 * @returns for a task that runs with many argument lists, those lists
 * @throws {CeleriacError} when they cannot be decoded here
 */
export function argumentsOf(message: Message, { codec, errors }: ArgumentDecoding): unknown[] {
  const { args, input, each, serializer } = message;
  // Its result must be written with it too: better now than after the task has run.
  if (serializer !== undefined) codec.require(serializer);
  if (each === true) return codec.decodeEach(args);
  if (input === undefined) return codec.decodeArgs(args);
  const together = codec.budget();
  const decodeResult = (encoded: unknown) => codec.decodeResult(encoded, together);
  const decoding = { classes: errors, decodeResult };
  return [...decodeInputs(input, decoding), ...codec.decodeArgs(args)];
}
