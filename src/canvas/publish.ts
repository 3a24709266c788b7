/**
 * Sending many signatures at once. Plain ones are read together and leave in a few large pieces, without a promise each;
 * what wants more (callbacks, an id of its own, to be the only one) is sent as if alone, beside them.
 */
import type { AsyncResult } from '../results/async-result.js';
import type { PlainCall } from './outgoing.js';
import type { Sender } from './sender.js';
import { NO_CALLBACKS, refuseTwins, Signature } from './signature.js';

/**
 * Sends them all; results in order.
 * @throws {DuplicateTaskError} two of them have the same `taskId`; nothing is sent then
 */
export async function publishAll(sender: Sender, signatures: Iterable<Signature>): Promise<AsyncResult[]> {
  const all = [...signatures];
  refuseTwins(all);
  const plain = all.map(plainCall);
  const sent = await sender.sendTogether(plain.filter((call) => call !== undefined));
  if (sent === undefined) return Promise.all(all.map((signature) => signature.applyAsync()));
  const together = sent.values();
  return Promise.all(
    all.map((signature, i) => (plain[i] === undefined ? signature.applyAsync() : next(together))),
  );
}

function plainCall(signature: Signature): PlainCall | undefined {
  // A workflow is no Signature, and sends itself.
  if (!(signature instanceof Signature)) return undefined;
  const { target, callbacks } = Signature.partsOf(signature);
  const { args, options } = signature;
  const special =
    callbacks !== NO_CALLBACKS ||
    options.taskId !== undefined ||
    options.unique !== undefined ||
    target.publish.unique !== undefined;
  return special ? undefined : { target, args, options };
}

function next(results: Iterator<AsyncResult>): AsyncResult {
  return results.next().value as AsyncResult;
}
