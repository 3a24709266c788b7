/** Changes of the server's state, and what came of them in words. */
import { address, send } from './api.js';
import { count } from './text.js';

/** The answer to a change. */
export interface Changed {
  readonly touched: number;
  readonly refused?: readonly { readonly id: string; readonly why: string }[];
  /** Of workers, by node. */
  readonly replies?: Readonly<Record<string, unknown>>;
  /** Of a call. */
  readonly id?: string;
}

/** Which tasks a change is for: some by id, or all that match. */
export type Target =
  | { readonly ids: readonly string[] }
  | { readonly filter: Readonly<Record<string, string | readonly string[]>> };

export type RunsAction = 'revoke' | 'retry' | 'delete';

export function changeRuns(action: RunsAction, target: Target, more: object = {}): Promise<Changed> {
  return send('POST', address(['runs', action]), { ...target, ...more });
}

export function changeRun(
  id: string,
  action: 'revoke' | 'retry' | 'run-now',
  body: object = {},
): Promise<Changed> {
  return send('POST', address(['runs', id, action]), body);
}

export function deleteRun(id: string): Promise<Changed> {
  return send('DELETE', address(['runs', id]));
}

export function changeQueue(name: string, action: 'pause' | 'resume' | 'purge'): Promise<Changed> {
  return send('POST', address(['queues', name, action]));
}

export function controlWorker(node: string, command: string, body: object): Promise<Changed> {
  return send('POST', address(['workers', node, command]), body);
}

export function changeSchedule(name: string, action: 'pause' | 'resume' | 'run-now'): Promise<Changed> {
  return send('POST', address(['schedules', name, action]));
}

/** `Retried 12 runs.` and, where some were refused, how many and why. */
export function told(verb: string, { touched, refused = [] }: Changed, noun = 'run'): string {
  const done = touched === 0 ? `${verb} nothing.` : `${verb} ${count(touched, noun)}.`;
  if (refused.length === 0) return done;
  const reasons = [...new Set(refused.map(({ why }) => why))].slice(0, 3).join('; ');
  return `${done} ${count(refused.length, 'was', 'were')} refused: ${reasons}`;
}
