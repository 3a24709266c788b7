/**
 * Makes docs/reference/options.md of the tables of options: `npm run docs:options`. With `--stdout` it is shown instead of
 * written. The package has to be built.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { APP_OPTIONS } from '../dist/app-options/table.js';
import { ROUTE_OPTIONS, SEND_OPTIONS } from '../dist/options/tables/call.js';
import { PUBLISH_OPTIONS, RUN_OPTIONS, TASK_OPTIONS } from '../dist/options/tables/task.js';
import { WORKER_OPTIONS } from '../dist/options/tables/worker.js';

const PAGE = fileURLToPath(new URL('../docs/reference/options.md', import.meta.url));

const text = `# Options

<!-- Made by \`npm run docs:options\` from the tables of options in src/: change it there. -->

An unknown name is refused with the nearest known one. An option that is \`undefined\` counts as absent everywhere: what
stands below it (a route, a default, the option of a signature) holds. \`null\` means "none" or "for ever" where these tables
say so, and is refused elsewhere. Durations: milliseconds as a number, or \`'500ms'\`, \`'10s'\`, \`'5m'\`, \`'2h'\`, \`'1d'\`. Moments:
a \`Date\` or ISO 8601 text; a bare date, or a time that names no zone, counts in the app's \`timezone\`.

What a call says stands above the app's \`annotations\`, these above what its task says, that above its route, and that
above the app's \`taskDefaults\`.

## The app: \`new Celeriac(name, options)\`

${table(['option', 'default', 'meaning'], rowsOf(APP_OPTIONS))}

## A task, read by its callers: \`@Task(name, options)\`, \`app.task(name, options, fn)\`

${table(['option', 'default', 'meaning'], rowsOf(without(TASK_OPTIONS, RUN_OPTIONS)))}

## A task, read by the worker

Those with ✓ may also be given per call.

${table(
  ['option', 'default', '', 'meaning'],
  rowsOf(RUN_OPTIONS).map(([name, otherwise, doc]) => [
    name,
    otherwise,
    name.replaceAll('`', '') in SEND_OPTIONS ? '✓' : '',
    doc,
  ]),
)}

## A call: \`applyAsync(args, options)\`

${[...Object.keys(PUBLISH_OPTIONS), ...Object.keys(RUN_OPTIONS).filter((name) => name in SEND_OPTIONS)]
  .map((name) => `\`${name}\``)
  .join(', ')} as above, and those of this table.
Routes decide all of them but ${Object.keys(without(SEND_OPTIONS, ROUTE_OPTIONS))
  .map((name) => `\`${name}\``)
  .join(', ')}.

${table(
  ['option', 'meaning'],
  rowsOf(without(SEND_OPTIONS, TASK_OPTIONS)).map(([name, , doc]) => [name, doc]),
)}

## A worker: \`app.worker(options)\`

${table(
  ['option', 'default', 'flag', 'meaning'],
  rowsOf(WORKER_OPTIONS).map(([name, otherwise, doc]) => [
    name,
    otherwise,
    (WORKER_OPTIONS[name.replaceAll('`', '')].flags ?? [])
      .map(({ spec }) => `\`${spec.replace(/^(-\w), .*$/, '$1').replace(/ <.*$/, '')}\``)
      .join(', '),
    doc,
  ]),
)}

\`get()\` takes \`timeout\`, \`signal\`, \`propagate\`, \`onUpdate\`, \`allowJoin\`; \`revoke()\` takes \`terminate\`, \`reason\`; control and
inspect take \`destination\` and \`timeout\`. Environment: ${Object.values(APP_OPTIONS)
  .flatMap(({ env }) => (env === undefined ? [] : [`\`${env}\``]))
  .join(', ')}, and \`CELERIAC_APP\` for
the command's \`-A\`.
`;

if (process.argv.includes('--stdout')) process.stdout.write(text);
else writeFileSync(PAGE, text);

/** Name, default and meaning of each option. */
function rowsOf(options) {
  return Object.entries(options).map(([name, option]) => [`\`${name}\``, defaultOf(option), option.doc]);
}

function defaultOf({ default: value, without: words, env }) {
  const written = typeof value === 'string' ? `\`'${value}'\`` : `\`${String(value)}\``;
  const otherwise = words ?? (value === undefined ? 'none' : written);
  return env === undefined ? otherwise : `\`${env}\`, else ${otherwise}`;
}

/** The options of one table that another has not. */
function without(options, others) {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !(name in others)));
}

function table(head, rows) {
  const widths = head.map((_, at) => Math.max(3, ...[head, ...rows].map((row) => row[at].length)));
  const line = (row) => `| ${row.map((cell, at) => cell.padEnd(widths[at])).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}
