/**
 * The replies of `inspect`, `status` and `list` for people: tables that fit into 80 columns.
 */
import { errorOf, type Replies } from './broadcast.js';
import { type Column, humanDuration, type Output, oneLine, renderTable } from './output.js';
import { printable } from './printable.js';

/** The kinds of reply; each is shown in its own way. */
export type InspectionName =
  | 'ping'
  | 'active'
  | 'scheduled'
  | 'reserved'
  | 'revoked'
  | 'registered'
  | 'stats'
  | 'active-queues'
  | 'conf'
  | 'report'
  | 'query-task'
  | 'status'
  | 'list';

/** Prints what the nodes answered to `name`. */
export async function showReplies(name: InspectionName, replies: Replies, out: Output): Promise<void> {
  const answers = Object.entries(replies).sort(([a], [b]) => a.localeCompare(b));
  if (answers.length === 0) return;
  if (name === 'ping' || name === 'status') return showOnline(name, answers, out);
  if (name === 'list') return showTasksByName(answers, out);
  for (const [node, reply] of answers) {
    out.line(`${out.colors.bold(node)}${summary(name, reply, out)}`);
    if (errorOf(reply) === undefined) await showReply(name, reply, out);
    out.line();
  }
}

type Answers = readonly (readonly [node: string, reply: unknown])[];

async function showOnline(name: InspectionName, answers: Answers, out: Output): Promise<void> {
  const rows = answers.map(([node, reply]) => [node, errorOf(reply) ?? oneLine(reply)]);
  out.line(
    await renderTable([{ title: 'node' }, { title: name === 'status' ? 'answer' : 'reply' }], rows, out),
  );
  const online = answers.filter(([, reply]) => errorOf(reply) === undefined).length;
  if (name === 'status') out.line(`\n${online} ${online === 1 ? 'node' : 'nodes'} online.`);
}

async function showTasksByName(answers: Answers, out: Output): Promise<void> {
  const nodes = new Map<string, string[]>();
  for (const [node, reply] of answers) {
    for (const task of Array.isArray(reply) ? reply.map(String) : []) {
      nodes.set(task, [...(nodes.get(task) ?? []), node]);
    }
  }
  const rows = [...nodes].sort(([a], [b]) => a.localeCompare(b)).map(([task, on]) => [task, on.join(', ')]);
  out.line(await renderTable([{ title: 'task', keep: true }, { title: 'nodes' }], rows, out));
}

function summary(name: InspectionName, reply: unknown, out: Output): string {
  const error = errorOf(reply);
  if (error !== undefined) return `  ${out.colors.red(error)}`;
  return Array.isArray(reply) && name !== 'active-queues' ? out.colors.dim(`  ${reply.length} ${name}`) : '';
}

async function showReply(name: InspectionName, reply: unknown, out: Output): Promise<void> {
  if (typeof reply === 'string') return showLines(reply.split('\n'), out);
  if (name === 'query-task') return showQueried(asRecord(reply), out);
  if (!Array.isArray(reply)) return showFields(asRecord(reply), out);
  if (reply.length === 0) return;
  if (typeof reply[0] !== 'object') return showLines(reply.map(oneLine), out);
  const columns =
    TABLES[name] ?? Object.keys(reply[0] as object).map((title) => ({ title, of: field(title) }));
  const rows = reply.map((entry) => columns.map((column) => column.of(asRecord(entry))));
  out.line(await renderTable(columns, rows, out, '  '));
}

function showLines(lines: readonly string[], out: Output): void {
  for (const line of lines) out.line(`  ${printable(line)}`);
}

type Entry = Record<string, unknown>;
type FieldColumn = Column & { readonly of: (entry: Entry) => string };

const TASK_COLUMNS: readonly FieldColumn[] = [
  { title: 'id', of: field('id'), keep: true },
  { title: 'task', of: field('name') },
  { title: 'args', of: (entry) => argsText(entry.args) },
  { title: 'queue', of: field('queue') },
];

const TABLES: Partial<Record<InspectionName, readonly FieldColumn[]>> = {
  active: [...TASK_COLUMNS, { title: 'running', of: (entry) => duration(entry.runtimeMs), right: true }],
  reserved: TASK_COLUMNS,
  scheduled: [...TASK_COLUMNS, { title: 'eta', of: field('eta'), keep: true }],
  'active-queues': [
    { title: 'queue', of: field('name'), keep: true },
    { title: 'concurrency', of: (entry) => oneLine(entry.concurrency ?? 'shared') },
  ],
};

function field(name: string): (entry: Entry) => string {
  return (entry) => oneLine(entry[name]);
}

function argsText(args: unknown): string {
  return Array.isArray(args) ? args.map((arg) => JSON.stringify(arg)).join(', ') : oneLine(args);
}

function duration(ms: unknown): string {
  return typeof ms === 'number' ? humanDuration(ms) : '';
}

async function showQueried(found: Record<string, unknown>, out: Output): Promise<void> {
  if (Object.keys(found).length === 0) return out.line('  none of them here');
  const rows = Object.entries(found).map(([id, where]) => {
    const { state, info } = asRecord(where);
    return [id, oneLine(state ?? where), oneLine(info)];
  });
  out.line(
    await renderTable([{ title: 'id', keep: true }, { title: 'state' }, { title: 'info' }], rows, out, '  '),
  );
}

function showFields(fields: Entry, out: Output): void {
  const rows = Object.entries(fields).map(([name, value]) =>
    name.endsWith('Ms') && typeof value === 'number'
      ? { label: name.slice(0, -2), text: humanDuration(value) }
      : { label: name, text: fieldText(value) },
  );
  const width = Math.max(0, ...rows.map(({ label }) => label.length));
  for (const { label, text } of rows)
    out.line(`  ${out.colors.dim(label.padEnd(width))}  ${printable(text)}`);
}

/** `{ add: 3, report: 1 }` as `add=3, report=1`; lists of named things by their names. */
function fieldText(value: unknown): string {
  if (Array.isArray(value)) return value.map((item) => oneLine(nameOf(item) ?? item)).join(', ');
  if (typeof value !== 'object' || value === null) return oneLine(value);
  const pairs = Object.entries(value).map(([key, inner]) => `${key}=${oneLine(inner)}`);
  return pairs.length === 0 ? 'none' : pairs.join(', ');
}

function nameOf(item: unknown): unknown {
  return typeof item === 'object' && item !== null ? (item as Entry).name : undefined;
}

function asRecord(value: unknown): Entry {
  return typeof value === 'object' && value !== null ? (value as Entry) : {};
}
