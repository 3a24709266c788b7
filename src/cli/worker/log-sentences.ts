/**
 * Turns a worker's log lines into text: sentences in Celery's style, made from the structured fields that the JSON log
 * shows unchanged. `task succeeded {task, taskId, runtimeMs}` becomes `Task report[id] succeeded in 0.52s`. An unknown
 * line keeps its message and its fields.
 */
import { humanDuration } from '../text/human.js';
import { escaped } from '../text/printable.js';

/** A line for people: the sentence, and the fields that are not in it. */
export interface Sentence {
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

type Fields = Readonly<Record<string, unknown>>;

/** The sentence for a log line. */
export function sentenceOf(message: string, fields: Fields): Sentence {
  const { task, taskId, ...rest } = fields;
  if (typeof task === 'string' && typeof taskId === 'string') {
    return aboutTask(`${escaped(task)}[${escaped(taskId)}]`, message, rest);
  }
  const { running, ...others } = fields;
  if (message === 'running tasks' && typeof running === 'number') {
    return { message: runningText(running), fields: others };
  }
  if (message === 'health endpoint listening') {
    const { host, port, ...left } = fields;
    return { message: `health: http://${host}:${port}/live /ready /metrics`, fields: left };
  }
  return { message, fields };
}

/** The sentence for a log line about a task: its verb, its parts, and the fields they use. */
interface TaskLine {
  readonly says: string;
  /** The field behind `in 0.52s`. */
  readonly time?: string;
  /** The field after the colon. */
  readonly why?: string;
}

const TASK_LINES: ReadonlyMap<string, TaskLine> = new Map(
  Object.entries({
    'task succeeded': { says: 'succeeded in', time: 'runtimeMs' },
    'task failed': { says: 'failed in', time: 'runtimeMs', why: 'error' },
    'task failed as expected': { says: 'failed as expected in', time: 'runtimeMs', why: 'error' },
    'task will be retried': { says: 'will be retried in', time: 'delayMs', why: 'error' },
    'task waits': { says: 'waits after', time: 'runtimeMs', why: 'waits' },
    'task revoked': { says: 'revoked', why: 'reason' },
    'task ignored': { says: 'ignored in', time: 'runtimeMs' },
    'task handed back': { says: 'handed back after', time: 'runtimeMs' },
    'task not run now': { says: 'not run now', why: 'outcome' },
    running: { says: 'has been running for', time: 'runtimeMs' },
  }),
);

function aboutTask(who: string, message: string, fields: Record<string, unknown>): Sentence {
  const line = TASK_LINES.get(message);
  // Lines that a task logs through `this.log` (Celery: `get_task_logger`).
  if (line === undefined) return { message: `${who}: ${message}`, fields };
  const { runtimeMs: _runtimeMs, ...left } = fields;
  const time = line.time === undefined ? '' : ` ${seconds(fields[line.time])}`;
  const why = line.why === undefined || fields[line.why] === undefined ? '' : `: ${text(fields[line.why])}`;
  for (const used of [line.time, line.why]) if (used !== undefined) delete left[used];
  return { message: `Task ${who} ${line.says}${time}${why}`, fields: left };
}

function runningText(count: number): string {
  if (count === 0) return 'no task is running';
  return count === 1 ? '1 task is running:' : `${count} tasks are running:`;
}

/** `0.52s` as Celery writes it, `0.004s` for short times, `2m 5s` for long ones. */
function seconds(ms: unknown): string {
  if (typeof ms !== 'number') return '?';
  return ms >= 60_000 ? humanDuration(ms) : `${(ms / 1000).toFixed(ms < 100 ? 3 : 2)}s`;
}

function text(value: unknown): string {
  return escaped(value instanceof Error ? `${value.name}: ${value.message}` : String(value));
}
