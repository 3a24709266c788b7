/** The commands that a worker takes, with the fields that each asks for. */
import { number } from '../../core/text.js';

export interface CommandField {
  readonly name: string;
  readonly label: string;
  readonly kind: 'number' | 'text';
  readonly value?: string;
  readonly required?: boolean;
  readonly hint?: string;
}

export interface Command {
  readonly name: string;
  readonly label: string;
  readonly says: string;
  readonly fields: readonly CommandField[];
  readonly danger?: boolean;
  /** Holds for all workers, whichever takes the command. */
  readonly everywhere?: boolean;
}

const TASK: CommandField = { name: 'task', label: 'Task', kind: 'text', required: true };
const QUEUE: CommandField = { name: 'queue', label: 'Queue', kind: 'text', required: true };

export const COMMANDS: readonly Command[] = [
  {
    name: 'pool-grow',
    label: 'Grow the pool',
    says: 'It runs more tasks at once, until it stops.',
    fields: [{ name: 'n', label: 'Slots more', kind: 'number', value: '1', required: true }],
  },
  {
    name: 'pool-shrink',
    label: 'Shrink the pool',
    says: 'It runs fewer tasks at once, until it stops. What runs goes on.',
    fields: [{ name: 'n', label: 'Slots less', kind: 'number', value: '1', required: true }],
  },
  {
    name: 'autoscale',
    label: 'Autoscale',
    says: 'The number of slots follows the load.',
    fields: [
      { name: 'min', label: 'Fewest slots', kind: 'number', value: '1', required: true },
      { name: 'max', label: 'Most slots', kind: 'number', value: '10', required: true },
    ],
  },
  {
    name: 'add-consumer',
    label: 'Add a queue',
    says: 'It takes tasks from this queue as well.',
    fields: [QUEUE],
  },
  {
    name: 'cancel-consumer',
    label: 'Leave a queue',
    says: 'It takes nothing more from this queue. What runs goes on.',
    fields: [QUEUE],
  },
  {
    name: 'rate-limit',
    label: 'Rate limit',
    says: 'How often a task may start, over all workers.',
    everywhere: true,
    fields: [
      TASK,
      { name: 'rate', label: 'Rate', kind: 'text', hint: 'such as 10/s or 100/m; empty for no limit' },
    ],
  },
  {
    name: 'time-limit',
    label: 'Time limit',
    says: 'How long later runs of a task may take on this worker.',
    fields: [
      TASK,
      { name: 'soft', label: 'Soft limit', kind: 'text', hint: 'such as 30s; empty for none' },
      { name: 'hard', label: 'Hard limit', kind: 'text', hint: 'such as 1m; empty for none' },
    ],
  },
  {
    name: 'loglevel',
    label: 'Log level',
    says: 'What it logs, until it stops.',
    fields: [{ name: 'level', label: 'Level', kind: 'text', value: 'info', required: true }],
  },
  { name: 'ping', label: 'Ping', says: 'Asks for a sign of life.', fields: [] },
  {
    name: 'shutdown',
    label: 'Shut down',
    says: 'It takes no more tasks, finishes what runs, and ends. Starting it again is up to whatever started it.',
    fields: [],
    danger: true,
  },
];

/** The arguments of a command as its form has them. */
export function argumentsOf({ fields }: Command, form: FormData): Record<string, unknown> {
  return Object.fromEntries(
    fields.map(({ name, kind }) => {
      const text = String(form.get(name) ?? '').trim();
      if (text === '') return [name, null];
      return [name, kind === 'number' ? Number(text) : text];
    }),
  );
}

/** What nodes have replied, in one line. */
export function replied(replies: Readonly<Record<string, unknown>> | undefined): {
  text: string;
  bad: boolean;
} {
  const all = Object.values(replies ?? {});
  const words = all.map((reply) => {
    if (typeof reply !== 'object' || reply === null) return String(reply);
    const { ok, error } = reply as { ok?: unknown; error?: unknown };
    return String(error ?? ok ?? JSON.stringify(reply));
  });
  const bad = all.some((reply) => typeof reply === 'object' && reply !== null && 'error' in reply);
  if (words.length === 0) return { text: 'no reply', bad: true };
  return {
    text: `${[...new Set(words)].slice(0, 3).join('; ')}${words.length > 3 ? ` (${number(words.length)})` : ''}`,
    bad,
  };
}
