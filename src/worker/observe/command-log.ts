/**
 * A line in the worker's log for each command of remote control that changes something: what was done, or why it was
 * refused. Questions are not logged, since dashboards ask them all the time.
 */
import type { CommandHandlers, CommandName } from '../../control/commands.js';
import type { Logger } from '../../options/logger.js';

/** The commands that are logged; the log of `shutdown` is its own. */
const LOGGED: readonly CommandName[] = [
  'poolGrow',
  'poolShrink',
  'autoscale',
  'addConsumer',
  'cancelConsumer',
  'pause',
  'resume',
  'rateLimit',
  'timeLimit',
  'loglevel',
  'revoke',
  'own',
];

/** The same handlers, which log. */
export function logCommands(
  handlers: CommandHandlers,
  logger: Pick<Logger, 'info' | 'warn'>,
): CommandHandlers {
  const logged = LOGGED.map((name) => {
    const handler = handlers[name] as (args: object) => unknown;
    return [name, (args: object) => carryOut(name, args, handler, logger)] as const;
  });
  return { ...handlers, ...(Object.fromEntries(logged) as Partial<CommandHandlers>) };
}

async function carryOut(
  name: CommandName,
  args: object,
  handler: (args: object) => unknown,
  logger: Pick<Logger, 'info' | 'warn'>,
): Promise<unknown> {
  const command = name === 'own' ? String(Reflect.get(args, 'name')) : name;
  try {
    const reply = await handler(args);
    if (!isNothing(args)) logger.info({ command, ...doneIn(name, reply) }, 'control command carried out');
    return reply;
  } catch (error) {
    logger.warn(
      { command, error: error instanceof Error ? error.message : error },
      'control command refused',
    );
    throw error;
  }
}

/** The text of a reply; replies of the app's own commands are its own affair. */
function doneIn(name: CommandName, reply: unknown): { done?: string } {
  const ok: unknown = typeof reply === 'object' && reply !== null && Reflect.get(reply, 'ok');
  return name !== 'own' && typeof ok === 'string' ? { done: ok } : {};
}

/** A revocation that names no running task: callers ask for each. */
function isNothing(args: object): boolean {
  const jobIds: unknown = Reflect.get(args, 'jobIds');
  return Array.isArray(jobIds) && jobIds.length === 0;
}
