/** The port through which signatures and workflows are sent. They must know no more of the app. */
import type { SendOptions } from '../options/call-options.js';
import type { AsyncResult } from '../results/async-result.js';
import type { GroupResult } from '../results/group-result.js';
import type { CallTarget } from '../tasks/registry.js';
import type { Composable } from './typing.js';

export interface Dispatcher {
  /** Sends one task. */
  send<R, C = unknown>(
    target: CallTarget,
    args: readonly unknown[],
    options: SendOptions,
  ): Promise<AsyncResult<R, C>>;
  /** Sends a workflow, with these arguments in front and these options on top. */
  launch(
    node: Composable,
    args: readonly unknown[],
    options: SendOptions,
  ): Promise<AsyncResult | GroupResult>;
}
