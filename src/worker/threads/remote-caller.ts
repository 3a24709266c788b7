/**
 * Remote control from a task in a thread: the worker sends the request on its own connection and returns the answers.
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

  /** No-op: the thread owns no connection. */
  async close(): Promise<void> {}
}
