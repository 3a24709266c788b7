/** The handlers that change queues: pause, resume, purge. */
import { Refusal } from '../http/refusal.js';
import { type ApiCall, param } from '../web-context.js';
import { note } from './audit.js';
import { checkFields } from './body-fields.js';

type QueueAction = 'pause' | 'resume' | 'purge';

export function queueAction(action: QueueAction): (call: ApiCall) => Promise<{ touched: number }> {
  return async (call) => {
    const { context, body } = call;
    checkFields(body, []);
    const name = param(call, 'name');
    const { queues } = context.app;
    if (!(await queues.isKnown(name)))
      throw new Refusal(404, 'UNKNOWN_QUEUE', `There is no queue "${name}": nothing was ever sent to it.`);
    let touched = 1;
    if (action === 'purge') touched = (await queues.purge(name))[name] ?? 0;
    else await queues[action](name);
    context.queues.forget();
    await note(call, action, name, touched);
    return { touched };
  };
}
