/**
 * Sends many signatures at once. Plain ones are read together and leave in a few large pieces, without a promise
 * each. Signatures with callbacks, an id of their own or a unique key are sent individually, beside them.
 */

import type { PlainCall } from '../calls/call-stages.js';
import type { InTransaction } from '../calls/in-transaction.js';
import type { Sender } from '../calls/sender.js';
import { OptionError } from '../errors.js';
import { checkNames } from '../options/names.js';
import type { TransactionOption } from '../options/transaction.js';
import type { AsyncResult } from '../results/async-result.js';
import { show } from '../show.js';
import { asChild } from '../tasks/context.js';
import { notComposable } from './composable.js';
import { Workflow } from './compose.js';
import type { Dispatcher } from './dispatch.js';
import { NO_CALLBACKS, refuseTwins, Signature } from './signature.js';
import type { Composable } from './typing.js';

/** Where many signatures are sent. */
export interface ManyScope {
  readonly sender: Sender;
  readonly launcher: Dispatcher;
}

/** Options of `app.publish`. */
export interface ManyOptions {
  /** Your own database transaction, to which all the calls then belong. */
  transaction?: TransactionOption;
}

/** What publishing needs from the app. */
export interface ManyHost {
  readonly flows: ManyScope;
  readonly inTransaction: InTransaction<ManyScope>;
}

/** Sends all signatures, in a transaction if one is given, unless calls run in this process. */
export async function publishMany<R>(
  { flows, inTransaction }: ManyHost,
  signatures: Iterable<unknown>,
  options: ManyOptions = {},
): Promise<AsyncResult<R>[]> {
  checkNames(options, ['transaction'], 'app.publish');
  const { transaction } = options;
  if (transaction === undefined || flows.sender.detour !== null) return sendMany<R>(flows, signatures);
  return inTransaction(transaction, (scope) => sendMany<R>(scope, signatures));
}

/**
 * Sends all signatures; returns the results in order.
 * @throws {DuplicateTaskError} two of them have the same `taskId`; nothing is sent then
 */
export async function sendMany<R>(
  scope: ManyScope,
  signatures: Iterable<unknown>,
): Promise<AsyncResult<R>[]> {
  const { sender } = scope;
  const all = signaturesIn(signatures) as readonly Signature<readonly unknown[], readonly unknown[], R>[];
  refuseTwins(all);
  const plain = all.map(plainCall);
  await refuseWrong(
    sender,
    all.filter((_, i) => plain[i] === undefined),
  );
  const sent = await sender.sendTogether(plain.filter((call) => call !== undefined));
  if (sent === undefined) {
    await refuseWrong(sender, all);
    return Promise.all(all.map((signature) => sendOne<R>(scope, signature)));
  }
  for (const result of sent) void asChild(Promise.resolve(result));
  const together = (sent as AsyncResult<R>[]).values();
  return Promise.all(
    all.map((signature, i) => (plain[i] === undefined ? sendOne<R>(scope, signature) : next(together))),
  );
}

/** Sends one, not by the app that made it but where all are sent. */
function sendOne<R>({ launcher }: ManyScope, signature: Composable): Promise<AsyncResult<R>> {
  if (!(signature instanceof Signature)) return launcher.launch(signature, [], {}) as Promise<AsyncResult<R>>;
  const { target, callbacks } = Signature.partsOf(signature);
  if (callbacks !== NO_CALLBACKS) return launcher.launch(signature, [], {}) as Promise<AsyncResult<R>>;
  return launcher.send<R>(target, signature.args, signature.options);
}

/** @throws {OptionError} for anything but a list of signatures */
function signaturesIn(given: Iterable<unknown>): readonly Signature[] {
  if (typeof given !== 'object' || given === null || !(Symbol.iterator in given))
    throw new OptionError(`app.publish: give a list of signatures, such as [task.s(1)], not ${show(given)}.`);
  const all = [...given];
  for (const [i, one] of all.entries()) {
    if (one instanceof Signature || one instanceof Workflow) continue;
    throw notComposable(`app.publish: item ${i}`, one);
  }
  return all as Signature[];
}

/** Validates the individually sent signatures before anything is sent: an invalid one holds back all. */
async function refuseWrong(sender: Sender, signatures: readonly Signature[]): Promise<void> {
  const calls = signatures.filter((signature) => signature instanceof Signature);
  await Promise.all(
    calls.map((signature) => {
      const { args, options } = signature;
      return sender.check({ target: Signature.partsOf(signature).target, args, options });
    }),
  );
  await sender.refuseTaken(calls.flatMap(({ options }) => options.taskId ?? []));
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

function next<R>(results: Iterator<AsyncResult<R>>): AsyncResult<R> {
  return results.next().value as AsyncResult<R>;
}
