/**
 * The replies of `inspect`, `status` and `list` for people: tables that fit into 80 columns.
 */

import type { Output } from '../output.js';
import { humanDuration, momentText, oneLine } from '../text/human.js';
import type { Column } from '../text/table.js';
import { padEnd, widthOf } from '../text/width.js';
import { errorOf, type Replies } from './broadcast.js';

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

/** Prints the nodes' replies to `name`. */
export function showReplies(name: InspectionName, replies: Replies, out: Output): void {
  const answers = Object.entries(replies).sort(([a], [b]) => a.localeCompare(b));
  if (answers.length === 0) return;
  if (name === 'ping' || name === 'status') showOnline(name, answers, out);
  else if (name === 'list') showTasksByName(answers, out);
  else for (const answer of answers) showNode(name, answer, out);
}

function showNode(name: InspectionName, [node, reply]: Answers[number], out: Output): void {
  out.line(`${out.colors.bold(node)}${summary(name, reply, out)}`);
  if (errorOf(reply) === undefined) showReply(name, reply, out);
  out.line();
}

type Answers = readonly (readonly [node: string, reply: unknown])[];

function showOnline(name: InspectionName, answers: Answers, out: Output): void {
  const rows = answers.map(([node, reply]) => [node, errorOf(reply) ?? oneLine(reply)]);
  out.table([{ title: 'node', name: true }, { title: name === 'status' ? 'answer' : 'reply' }], rows);
  const online = answers.filter(([, reply]) => errorOf(reply) === undefined).length;
  if (name !== 'status') return;
  out.line();
  out.line(`${online} ${online === 1 ? 'node' : 'nodes'} online.`);
}

function showTasksByName(answers: Answers, out: Output): void {
  const nodes = new Map<string, string[]>();
  for (const [node, reply] of answers) {
    for (const task of Array.isArray(reply) ? reply.map(String) : []) {
      nodes.set(task, [...(nodes.get(task) ?? []), node]);
    }
    const error = errorOf(reply);
    if (error !== undefined) out.note(`celeriac: ${node}: ${error}`);
  }
  const rows = [...nodes].sort(([a], [b]) => a.localeCompare(b)).map(([task, on]) => [task, on.join(', ')]);
  if (rows.length > 0)
    out.table(
      [
        { title: 'task', name: true },
        { title: 'nodes', below: true },
      ],
      rows,
    );
}

function summary(name: InspectionName, reply: unknown, out: Output): string {
  const error = errorOf(reply);
  if (error !== undefined) return `  ${out.colors.red(error)}`;
  return Array.isArray(reply) && name !== 'active-queues' ? out.colors.dim(`  ${reply.length} ${name}`) : '';
}

function showReply(name: InspectionName, reply: unknown, out: Output): void {
  if (typeof reply === 'string') showLines(reply.split('\n'), out);
  else if (name === 'query-task') showQueried(asRecord(reply), out);
  else if (!Array.isArray(reply)) showFields(asRecord(reply), out);
  else if (typeof reply[0] === 'object') showRows(name, reply, out);
  else showLines(reply.map(oneLine), out);
}

function showRows(name: InspectionName, reply: readonly unknown[], out: Output): void {
  const columns =
    TABLES[name] ?? Object.keys(asRecord(reply[0])).map((title) => ({ title, of: field(title) }));
  const rows = reply.map((entry) => columns.map((column) => column.of(asRecord(entry), out)));
  out.table(columns, rows, '  ');
}

function showLines(lines: readonly string[], out: Output): void {
  for (const line of lines) out.line(`  ${line}`);
}

type ViewRow = Record<string, unknown>;
type FieldColumn = Column & { readonly of: (entry: ViewRow, out: Output) => string };

const TASK_COLUMNS: readonly FieldColumn[] = [
  { title: 'id', of: field('id'), keep: true },
  { title: 'task', of: field('name'), name: true },
  { title: 'args', of: (entry) => argsText(entry.args), below: true },
  { title: 'queue', of: field('queue'), name: true },
];

const TABLES: Partial<Record<InspectionName, readonly FieldColumn[]>> = {
  active: [...TASK_COLUMNS, { title: 'started', of: startedText, keep: true }],
  reserved: TASK_COLUMNS,
  scheduled: [...TASK_COLUMNS, { title: 'eta', of: etaText, keep: true }],
  'active-queues': [
    { title: 'queue', of: field('name'), name: true },
    { title: 'concurrency', of: (entry) => oneLine(entry.concurrency ?? 'shared') },
  ],
};

function field(name: string): (entry: ViewRow) => string {
  return (entry) => oneLine(entry[name]);
}

function startedText({ startedAt }: ViewRow, out: Output): string {
  const at = new Date(String(startedAt));
  return Number.isNaN(at.getTime()) ? '' : momentText(at, Number.isFinite(out.columns));
}

function etaText({ eta }: ViewRow, out: Output): string {
  const at = new Date(String(eta));
  return Number.isNaN(at.getTime()) ? oneLine(eta) : momentText(at, Number.isFinite(out.columns));
}

function argsText(args: unknown): string {
  return Array.isArray(args) ? args.map((arg) => JSON.stringify(arg)).join(', ') : oneLine(args);
}

function showQueried(found: Record<string, unknown>, out: Output): void {
  if (Object.keys(found).length === 0) {
    out.line('  none of them here');
    return;
  }
  const rows = Object.entries(found).map(([id, where]) => {
    const { state, info } = asRecord(where);
    return [id, oneLine(state ?? where), oneLine(info)];
  });
  out.table([{ title: 'id', keep: true }, { title: 'state' }, { title: 'info', below: true }], rows, '  ');
}

function showFields(fields: ViewRow, out: Output): void {
  const rows = Object.entries(fields).map(([name, value]) =>
    name.endsWith('Ms') && typeof value === 'number'
      ? { label: name.slice(0, -2), text: humanDuration(value) }
      : { label: name, text: fieldText(value) },
  );
  const width = Math.max(0, ...rows.map(({ label }) => widthOf(label)));
  for (const { label, text } of rows)
    out.entry(`  ${out.colors.dim(padEnd(label, width))}  `, width + 4, text);
}

/** `{ add: 3, report: 1 }` as `add=3, report=1`; lists of named things by their names. */
function fieldText(value: unknown): string {
  if (Array.isArray(value)) return value.map((item) => oneLine(nameOf(item) ?? item)).join(', ');
  if (typeof value !== 'object' || value === null) return oneLine(value);
  const pairs = Object.entries(value).map(([key, inner]) => `${key}=${oneLine(inner)}`);
  return pairs.length === 0 ? 'none' : pairs.join(', ');
}

function nameOf(item: unknown): unknown {
  return typeof item === 'object' && item !== null ? (item as ViewRow).name : undefined;
}

function asRecord(value: unknown): ViewRow {
  return typeof value === 'object' && value !== null ? (value as ViewRow) : {};
}
