/**
 * Remote control from a task in a thread: the worker asks, on its own connection, and passes the answers on.
 */
import type { Asking, AskOptions } from '../../control/caller.js';
import type { CommandName, Commands, Replies } from '../../control/commands.js';
import type { RemoteBroker } from './remote-broker.js';

export class RemoteCaller implements Asking {
  constructor(private readonly engine: RemoteBroker) {}

  async ask<C extends CommandName>(
    command: C,
    args: Commands[C]['args'],
    options: AskOptions = {},
  ): Promise<Replies<Commands[C]['reply']>> {
    const replies = await this.engine.ask({ to: 'control', command, args, options: { ...options } });
    return replies as Replies<Commands[C]['reply']>;
  }

  /** There is nothing of the thread's own to close. */
  async close(): Promise<void> {}
}
