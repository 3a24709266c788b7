/**
 * `celeriac control …`: changes running workers without a restart. Each command is one method of `app.control`.
 */
import type { Command } from 'commander';
import type { Celeriac } from '../../app.js';
import type { LogLevel } from '../../options/logger.js';
import type { RateLimit } from '../../options/rates.js';
import { countFlag, durationFlag, jsonFlag, levelFlag, queuesFlag } from '../flags.js';
import type { Output } from '../output.js';
import {
  addBroadcastFlags,
  type BroadcastFlags,
  type BroadcastOptions,
  broadcast,
  errorOf,
  partsOf,
  type Replies,
} from './broadcast.js';
import { addPauseCommand } from './queues.js';
import { addRevokeCommand } from './revoke.js';

interface ControlFlags extends BroadcastFlags {
  readonly queues?: string[];
  readonly concurrency?: number;
  readonly args?: { readonly given: unknown };
}

type Ask = (control: Celeriac['control'], options: BroadcastOptions) => Promise<Replies>;

/** Adds the `control` commands to the program. */
export function addControlCommands(program: Command): void {
  const control = program.command('control').description('steer running workers');
  const add = (name: string, about: string): Command =>
    addBroadcastFlags(control.command(name).description(about));

  add('ping', 'which workers answer').action((_flags, command: Command) =>
    sendCommand(command, (api, options) => api.ping(options)),
  );
  add('add-consumer', 'take from another queue, with slots of its own where -c is given')
    .requiredOption('-Q, --queues <queue>', 'the queue (comma, repeatable)', queuesFlag('-Q'))
    .option('-c, --concurrency <n>', 'slots for this queue alone', countFlag('-c'))
    .action((_flags, command: Command) => {
      const { queues = [], concurrency } = command.optsWithGlobals<ControlFlags>();
      return sendCommand(command, (api, options) =>
        forEachQueue(queues, (queue) =>
          api.addConsumer(queue, { ...options, ...(concurrency === undefined ? {} : { concurrency }) }),
        ),
      );
    });
  add('cancel-consumer', 'stop taking from a queue')
    .requiredOption('-Q, --queues <queue>', 'the queue (comma, repeatable)', queuesFlag('-Q'))
    .action((_flags, command: Command) => {
      const { queues = [] } = command.optsWithGlobals<ControlFlags>();
      return sendCommand(command, (api, options) =>
        forEachQueue(queues, (queue) => api.cancelConsumer(queue, options)),
      );
    });
  add('pool-grow', 'add slots to the shared budget')
    .argument('[n]', 'how many', countFlag('pool-grow'), 1)
    .action((n: number, _flags, command: Command) =>
      sendCommand(command, (api, options) => api.poolGrow(n, options)),
    );
  add('pool-shrink', 'take slots from the shared budget')
    .argument('[n]', 'how many', countFlag('pool-shrink'), 1)
    .action((n: number, _flags, command: Command) =>
      sendCommand(command, (api, options) => api.poolShrink(n, options)),
    );
  add('autoscale', 'let the shared budget grow with the load, and shrink without')
    .argument('<max>', 'slots under load', countFlag('autoscale: max'))
    .argument('[min]', 'slots without', countFlag('autoscale: min', 0), 0)
    .action((max: number, min: number, _flags, command: Command) =>
      sendCommand(command, (api, options) => api.autoscale(max, min, options)),
    );
  add('rate-limit', 'change how often a task starts, over all workers')
    .argument('<task>', 'its name')
    .argument('<rate>', "'10/s', '100/m', '5/h', or 'none'")
    .action((task: string, rate: string, _flags, command: Command) =>
      sendCommand(command, (api, options) =>
        api.rateLimit(task, rate === 'none' ? null : (rate as RateLimit), options),
      ),
    );
  add('time-limit', 'change the time limits of a task, for calls that start from now on')
    .argument('<task>', 'its name')
    .argument('<soft>', "aborts its signal: '30s', '5m', or 'none'", limitFlag('time-limit: soft'))
    .argument(
      '[hard]',
      "ends it: '1m', or 'none'; left out, it stays as it is",
      limitFlag('time-limit: hard'),
    )
    .action((task: string, soft: number | null, hard: number | null | undefined, _flags, command: Command) =>
      sendCommand(command, (api, options) => api.timeLimit(task, soft, hard, options)),
    );
  add('loglevel', 'change how much the workers log')
    .argument('<level>', 'debug, info, warn or error', levelFlag('loglevel'))
    .action((level: LogLevel, _flags, command: Command) =>
      sendCommand(command, (api, options) => api.loglevel(level, options)),
    );
  add('broadcast', "run a command of the app's own, which app.onCommand has added there")
    .argument('<command>', 'its name')
    .option('-a, --args <json>', `its arguments, JSON: '{ "prices": true }'`, jsonFlag('--args'))
    .action((name: string, _flags, command: Command) => {
      const { args } = command.optsWithGlobals<ControlFlags>();
      return sendCommand(command, (api, options) => api.broadcast(name, args?.given, options));
    });
  addRevokeCommand(add('revoke', 'end tasks: what has not started never will'));
  addPauseCommand(add('pause', 'let nothing start from a queue any more, until resume'), 'pause');
  addPauseCommand(add('resume', 'let a paused queue go on'), 'resume');
  add('shutdown', 'stop the workers, running tasks first').action((_flags, command: Command) =>
    sendCommand(command, (api, options) => api.shutdown(options)),
  );
}

/** A duration, or `none`. */
function limitFlag(argument: string): (text: string) => number | null {
  const duration = durationFlag(argument);
  return (text) => (text === 'none' ? null : duration(text));
}

function sendCommand(command: Command, ask: Ask): Promise<void> {
  return broadcast(command.optsWithGlobals<ControlFlags>(), {
    ask: (app, options) => ask(app.control, options),
    show: showReplies,
  });
}

/**
 * Runs a command for several queues, one after the other. For one queue a node's reply is as it is; for several it is
 * one reply per queue, so that a refusal for one does not hide the success for another.
 */
async function forEachQueue(
  queues: readonly string[],
  ask: (queue: string) => Promise<Replies>,
): Promise<Replies> {
  const [only, ...more] = new Set(queues);
  if (only !== undefined && more.length === 0) return ask(only);
  const nodes = new Map<string, [queue: string, reply: unknown][]>();
  for (const queue of new Set(queues)) {
    for (const [node, reply] of Object.entries(await ask(queue))) {
      nodes.set(node, [...(nodes.get(node) ?? []), [queue, reply]]);
    }
  }
  return Object.fromEntries([...nodes].map(([node, replies]) => [node, Object.fromEntries(replies)]));
}

function showReplies(replies: Replies, out: Output): void {
  for (const [node, reply] of Object.entries(replies).sort(([a], [b]) => a.localeCompare(b))) {
    for (const one of partsOf(reply)) {
      const error = errorOf(one);
      const text = error === undefined ? replyText(one) : out.colors.red(error);
      out.line(`${out.colors.bold(node)}: ${text}`);
    }
  }
}

function replyText(reply: unknown): string {
  if (typeof reply === 'string') return reply;
  const ok: unknown = typeof reply === 'object' && reply !== null ? Reflect.get(reply, 'ok') : undefined;
  return typeof ok === 'string' ? ok : (JSON.stringify(reply) ?? 'ok');
}
