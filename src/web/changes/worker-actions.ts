/** The handler of `POST workers/{node}/{command}`: the commands of remote control. */

import type { AskOptions } from '../../control/caller.js';
import { isErrorReply, type Replies } from '../../control/commands.js';
import type { Control } from '../../control/control.js';
import type { Duration } from '../../duration.js';
import type { RateLimit } from '../../options/rates.js';
import { Refusal } from '../http/refusal.js';
import { type ApiCall, param } from '../web-context.js';
import { note } from './audit.js';
import { checkFields, numberField, optionalText, textField } from './body-fields.js';

type Body = ApiCall['body'];
type Ask = (control: Control, body: Body, to: AskOptions) => Promise<Replies<unknown>>;

interface WorkerCommand {
  readonly fields: readonly string[];
  readonly ask: Ask;
}

const COMMANDS: ReadonlyMap<string, WorkerCommand> = new Map<string, WorkerCommand>([
  ['ping', { fields: [], ask: (control, _, to) => control.ping(to) }],
  [
    'pool-grow',
    { fields: ['n'], ask: (control, body, to) => control.poolGrow(numberField(body, 'n', 1), to) },
  ],
  [
    'pool-shrink',
    { fields: ['n'], ask: (control, body, to) => control.poolShrink(numberField(body, 'n', 1), to) },
  ],
  [
    'autoscale',
    {
      fields: ['min', 'max'],
      ask: (control, body, to) =>
        control.autoscale(numberField(body, 'max'), numberField(body, 'min', 0), to),
    },
  ],
  [
    'add-consumer',
    {
      fields: ['queue', 'concurrency'],
      ask: (control, body, to) =>
        control.addConsumer(textField(body, 'queue'), {
          ...to,
          ...(body.concurrency !== undefined && { concurrency: numberField(body, 'concurrency') }),
        }),
    },
  ],
  [
    'cancel-consumer',
    { fields: ['queue'], ask: (control, body, to) => control.cancelConsumer(textField(body, 'queue'), to) },
  ],
  [
    'rate-limit',
    {
      fields: ['task', 'rate'],
      ask: (control, body, to) =>
        control.rateLimit(
          textField(body, 'task'),
          (optionalText(body, 'rate') ?? null) as RateLimit | null,
          to,
        ),
    },
  ],
  [
    'time-limit',
    {
      fields: ['task', 'soft', 'hard'],
      ask: (control, body, to) =>
        control.timeLimit(textField(body, 'task'), limitIn(body, 'soft'), limitIn(body, 'hard'), to),
    },
  ],
  [
    'loglevel',
    { fields: ['level'], ask: (control, body, to) => control.loglevel(textField(body, 'level'), to) },
  ],
  ['shutdown', { fields: [], ask: (control, _, to) => control.shutdown(to) }],
]);

/** The names of the commands. */
export const WORKER_COMMANDS: readonly string[] = [...COMMANDS.keys()];

/** The handler. */
export async function controlWorker(
  call: ApiCall,
): Promise<{ readonly touched: number; readonly replies: Replies<unknown> }> {
  const { context, body } = call;
  const [node, name] = [param(call, 'node'), param(call, 'command')];
  const command = COMMANDS.get(name);
  if (command === undefined)
    throw new Refusal(
      404,
      'UNKNOWN_COMMAND',
      `There is no command "${name}". ${WORKER_COMMANDS.join(', ')}.`,
    );
  checkFields(body, command.fields);
  const replies = await command.ask(context.app.control, body, { destination: [node] });
  if (Object.keys(replies).length === 0)
    throw new Refusal(404, 'UNKNOWN_WORKER', `There is no worker "${node}" online.`);
  const touched = Object.values(replies).filter((reply) => !isErrorReply(reply)).length;
  context.fleet.forget();
  if (touched > 0 && name !== 'ping') await note(call, 'control', `${node} ${name}`, touched);
  return { touched, replies };
}

/** Absent: stays as it is; `null` or empty: none. */
function limitIn(body: Body, name: string): Duration | null | undefined {
  const value = body[name];
  if (value === undefined) return undefined;
  return value === null || value === '' ? null : (value as Duration);
}
