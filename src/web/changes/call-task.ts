/** The handler of `POST tasks/{name}/call`: sends a task. */

import type { CallOptions } from '../../options/call-options.js';
import { checkTaskName } from '../../options/checks.js';
import { type ApiCall, param } from '../web-context.js';
import { note } from './audit.js';
import { checkFields, listField, objectField } from './body-fields.js';

export async function callTask(call: ApiCall): Promise<{ readonly id: string; readonly touched: number }> {
  const { context, body } = call;
  checkFields(body, ['args', 'options']);
  const name = param(call, 'name');
  checkTaskName(name, 'tasks/{name}/call');
  const args = listField(body, 'args') ?? [];
  const { id } = await context.app.sendTask(name, args, objectField(body, 'options') as CallOptions);
  context.queues.forget();
  await note(call, 'call', name, 1);
  return { id, touched: 1 };
}
