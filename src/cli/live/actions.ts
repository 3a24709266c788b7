/**
 * What the live page can do with what is selected (Celery: the keys of `celery events`). Each action is one call of the
 * app; those that end something ask first.
 */
import type { Celeriac } from '../../app.js';
import { OptionError } from '../../errors.js';
import type { RateLimit } from '../../options/rates.js';
import { errorOf, partsOf, type Replies } from '../commands/broadcast.js';
import type { PagePart } from './page-view.js';
import type { Target } from './target.js';

/** The parts of an app that the page acts on. */
export type LiveApp = Pick<Celeriac, 'control' | 'failed' | 'inspect' | 'result'>;

/** An action on one kind of target. */
export interface LiveAction<T extends Target = Target> {
  readonly key: string;
  /** For the line of help. */
  readonly label: string;
  readonly on: T['kind'];
  /** The parts of the page whose help names it. */
  readonly parts: readonly PagePart[];
  /** The question to confirm, or to answer with a text. */
  readonly asks?: { readonly kind: 'confirm' | 'text'; question(target: T): string };
  /** Does it. @returns what came of it, for one line */
  run(app: LiveApp, target: T, answer: string): Promise<string>;
}

type OfTask = Extract<Target, { kind: 'task' }>;
type OfWorker = Extract<Target, { kind: 'worker' }>;

const TASK_ACTIONS: readonly LiveAction<OfTask>[] = [
  {
    key: 'c',
    label: 'revoke',
    on: 'task',
    parts: ['running', 'events'],
    asks: { kind: 'confirm', question: (task) => `Revoke ${nameOf(task)}, if it does not run?` },
    run: async (app, { id }) => {
      await app.control.revoke(id);
      return `${id}: revoked; if it runs, it goes on`;
    },
  },
  {
    key: 't',
    label: 'terminate',
    on: 'task',
    parts: ['running', 'events'],
    asks: { kind: 'confirm', question: (task) => `Terminate ${nameOf(task)}?` },
    run: async (app, { id }) => {
      const replies = await app.control.revoke(id, { terminate: true });
      return refusalIn(replies) ?? `${id}: revoked and terminated`;
    },
  },
  {
    key: 'r',
    label: 'retry',
    on: 'task',
    parts: ['failed', 'events'],
    asks: { kind: 'confirm', question: (task) => `Run ${nameOf(task)} again?` },
    run: async (app, { id }) => {
      const { refused } = await app.failed.retry([id]);
      const [why] = Object.values(refused);
      return why === undefined ? `${id}: runs again` : `${id}: ${why}`;
    },
  },
  {
    key: 'l',
    label: 'limit',
    on: 'task',
    parts: ['running', 'failed', 'events'],
    asks: { kind: 'text', question: ({ name }) => `Rate limit of ${name} (10/s, 100/m, none): ` },
    run: async (app, { name }, answer) => {
      const replies = await app.control.rateLimit(name, answer === 'none' ? null : (answer as RateLimit));
      return outcomeOf(replies, `${name}: rate limit ${answer}, for workers that start later`);
    },
  },
];

const WORKER_ACTIONS: readonly LiveAction<OfWorker>[] = [
  {
    key: '+',
    label: 'grow',
    on: 'worker',
    parts: ['workers'],
    run: (app, { node }) => onNode(node, (to) => app.control.poolGrow(1, to)),
  },
  {
    key: '-',
    label: 'shrink',
    on: 'worker',
    parts: ['workers'],
    run: (app, { node }) => onNode(node, (to) => app.control.poolShrink(1, to)),
  },
  {
    key: 'a',
    label: 'add',
    on: 'worker',
    parts: ['workers'],
    asks: { kind: 'text', question: ({ node }) => `${node} takes from the queue: ` },
    run: (app, { node }, queue) => onNode(node, (to) => app.control.addConsumer(queue, to)),
  },
  {
    key: 'x',
    label: 'drop',
    on: 'worker',
    parts: ['workers'],
    asks: { kind: 'text', question: ({ node }) => `${node} takes no more from the queue: ` },
    run: (app, { node }, queue) => onNode(node, (to) => app.control.cancelConsumer(queue, to)),
  },
  {
    key: 's',
    label: 'stop',
    on: 'worker',
    parts: ['workers'],
    asks: { kind: 'confirm', question: ({ node }) => `Shut down ${node}, running tasks first?` },
    run: (app, { node }) => onNode(node, (to) => app.control.shutdown(to)),
  },
];

/** All actions. */
export const LIVE_ACTIONS: readonly LiveAction[] = [
  ...(TASK_ACTIONS as readonly LiveAction[]),
  ...(WORKER_ACTIONS as readonly LiveAction[]),
];

/** The action of a key on a target. */
export function actionFor(key: string, target: Target): LiveAction | undefined {
  return LIVE_ACTIONS.find((action) => action.key === key && action.on === target.kind);
}

/** The names of a part's actions and their keys. */
export function actionsHelp(part: PagePart): string {
  const known = LIVE_ACTIONS.filter(({ parts }) => parts.includes(part));
  return known.map(({ key, label }) => `${key} ${label}`).join('  ');
}

async function onNode(
  node: string,
  ask: (options: { destination: string[] }) => Promise<Replies>,
): Promise<string> {
  return outcomeOf(await ask({ destination: [node] }), `${node}: no answer`);
}

/** The replies on one line; `nobody` if no worker replied. */
function outcomeOf(replies: Replies, nobody: string): string {
  const refusal = refusalIn(replies);
  if (refusal !== undefined) return refusal;
  const [first] = Object.entries(replies);
  if (first === undefined) return nobody;
  const [node, reply] = first;
  const said = typeof reply === 'object' && reply !== null && 'ok' in reply ? String(reply.ok) : 'done';
  const others = Object.keys(replies).length - 1;
  return `${node}: ${said}${others > 0 ? `, and ${others} more` : ''}`;
}

function refusalIn(replies: Replies): string | undefined {
  for (const [node, reply] of Object.entries(replies)) {
    const error = partsOf(reply)
      .map(errorOf)
      .find((one) => one !== undefined);
    if (error !== undefined) return `${node}: ${error}`;
  }
  return undefined;
}

function nameOf({ name, id }: OfTask): string {
  return `${name} ${id}`;
}

/** The text for the page of an action that failed. */
export function failureText(error: unknown): string {
  if (error instanceof OptionError) return error.message;
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
