/** What somebody changed, noted: as an event to all who listen, and as a line of the log. */
import type { ControlAction } from '../../events/names.js';
import type { ApiCall } from '../web-context.js';

/**
 * @param target what was changed: a task, a queue, a worker, a schedule; or what many have in common
 * @param touched how many
 */
export async function note(
  { context, who }: Pick<ApiCall, 'context' | 'who'>,
  action: ControlAction,
  target: string,
  touched: number,
): Promise<void> {
  const { events, clock } = context.parts;
  context
    .logger()
    .info({ action, target, touched, ...(who !== undefined && { who }) }, 'changed by the page');
  await events.meet();
  const by = who === undefined ? {} : { who };
  events.emit({ type: `control-${action}`, timestamp: clock.now(), target, touched, ...by });
}
