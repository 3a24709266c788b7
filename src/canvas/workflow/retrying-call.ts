/** A call of one task that keeps trying to reach the broker for a time of its own (`publishRetry`). */
import type { Sender } from '../../calls/sender.js';
import { toPositiveMs } from '../../duration.js';
import { OptionError } from '../../errors.js';
import type { SendOptions } from '../../options/call-options.js';
import type { AsyncResult } from '../../results/async-result.js';
import type { CallTarget } from '../../tasks/registry.js';

/** @throws {OptionError} for a call with links or in a transaction */
export async function retryingCall<R, C>(
  sender: Sender,
  target: CallTarget,
  args: readonly unknown[],
  { publishRetry, ...own }: SendOptions,
  where: 'to the broker' | undefined,
): Promise<AsyncResult<R, C>> {
  const { link, linkError, transaction } = own;
  if (link !== undefined || linkError !== undefined || transaction !== undefined) throw ofTheApp(target.name);
  const retryMs = toPositiveMs(publishRetry, `${target.name}: publishRetry`);
  return sender.send<R, C>(target, args, own, { ...(where && { detour: null }), retryMs });
}

/** The refusal of `publishRetry` where one call cannot have its own. */
export function ofTheApp(name: string): OptionError {
  return new OptionError(
    `${name}: publishRetry is for single tasks without links, outside a transaction. Others try as the app's publishRetry says.`,
  );
}
