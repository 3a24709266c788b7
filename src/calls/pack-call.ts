/** Encodes the arguments of a call, with what its options change of that. Does no I/O. */
import type { ResolvedCall } from '../options/call-options.js';
import type { Message } from '../protocol/message.js';
import type { CallTarget } from '../tasks/registry.js';
import { shownField } from '../tasks/shown-arguments.js';
import type { WireCodec } from '../tasks/wire-codec.js';
import type { Outgoing, PlainCall } from './call-stages.js';

/**
 * The arguments as JSON text; a promise only if a schema needs one.
 * @param complete false while some arguments are missing, so that they cannot be checked
 * @throws whatever the call is to be rejected with
 */
export function packCall(
  codec: WireCodec,
  { target, args, options }: PlainCall,
  complete = true,
): string | Promise<string> {
  const checked = complete ? target : { ...target, checker: undefined };
  return codec.packArgs(args, options.sensitive === true ? discreet(checked) : checked, options.serializer);
}

/** The packed arguments as they are stored: compressed where they are large. */
export function storedArgs(codec: WireCodec, { target, packed }: Packed, { compress }: ResolvedCall): string {
  return codec.compressArgs(packed, compress ?? target.publish.compress);
}

/**
 * The fields of the message that say how its values are written and shown; unused ones are absent.
 * @param complete false while some arguments are missing
 */
export function payloadFields(
  codec: WireCodec,
  { target, args }: Pick<PlainCall, 'target' | 'args'>,
  call: ResolvedCall,
  complete: boolean,
): Pick<Message, 'each' | 'shown' | 'serializer' | 'compress'> {
  const shown = shownField(target, complete ? args : undefined, call.sensitive);
  const serializer = codec.serializerName(call.serializer ?? target.publish.serializer);
  const { compress } = call;
  return {
    ...(target.each && { each: true as const }),
    ...(shown !== undefined && { shown }),
    ...(serializer !== undefined && { serializer }),
    ...(compress !== undefined && { compress: compress === false ? 0 : Math.ceil(compress.above) }),
  };
}

/**
 * Other arguments for a task that was sent: written and shown as its message and its task say.
 * @returns their JSON text, and the fields of the message that change with them
 */
export async function packAgain(
  codec: WireCodec,
  target: CallTarget,
  message: Message,
  args: readonly unknown[],
): Promise<{ readonly text: string; readonly fields: Pick<Message, 'shown'> }> {
  const { serializer, compress } = message;
  const packed = await codec.packArgs(args, target, serializer);
  const sent = compress === undefined ? {} : { compress };
  const shown = shownField(target, args, message.shown === undefined ? undefined : true);
  return {
    text: codec.compressArgs(packed, codec.writingFor(target.name, sent).compress),
    fields: shown === undefined ? {} : { shown },
  };
}

type Packed = Pick<Outgoing, 'target' | 'packed'>;

/** A call may hide the arguments of a task that shows them: then the errors of their checks tell nothing of them either. */
function discreet(target: CallTarget): CallTarget {
  const publish = { ...target.publish, sensitive: true };
  return { ...target, publish, checker: target.checker?.discreet() };
}
