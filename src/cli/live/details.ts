/**
 * The details of what is selected on the live page: a task's snapshot with the stack of its error, a worker's figures,
 * queues and running tasks. The same text as `celeriac result -v` and `celeriac inspect` print.
 */
import { showSnapshot, showStack } from '../commands/call.js';
import { showReplies } from '../commands/inspect-views.js';
import { createOutput, type Output } from '../output.js';
import type { LiveApp } from './actions.js';
import type { Target } from './target.js';

/** Asks for the details. @returns lines of about so many columns */
export async function detailLines(app: LiveApp, target: Target, columns: number): Promise<string[]> {
  const lines: string[] = [];
  let rest = '';
  const write = (text: string) => {
    const parts = `${rest}${text}`.split('\n');
    rest = parts.pop() ?? '';
    lines.push(...parts);
  };
  const out = createOutput({
    write,
    writeNote: write,
    drained: () => Promise.resolve(),
    terminal: true,
    columns,
    colored: false,
    coloredNotes: false,
  });
  await (target.kind === 'task' ? showTask(app, target.id, out) : showWorker(app, target.node, out));
  return lines;
}

async function showTask(app: LiveApp, id: string, out: Output): Promise<void> {
  const snapshot = await app.result(id).snapshot();
  if (!snapshot.known) return out.line(`No task "${id}" is known: it is no longer kept.`);
  await showSnapshot(snapshot, out);
  showStack(snapshot, out);
}

async function showWorker(app: LiveApp, node: string, out: Output): Promise<void> {
  const inspect = app.inspect({ destination: [node] });
  const [stats, queues, active] = await Promise.all([
    inspect.stats(),
    inspect.activeQueues(),
    inspect.active(),
  ]);
  if (Object.keys(stats).length === 0) return out.line(`${node} does not answer.`);
  showReplies('stats', stats, out);
  showReplies('active-queues', queues, out);
  showReplies('active', active, out);
}
