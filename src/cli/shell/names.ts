/**
 * What the shell knows by name: the app, the handles of its tasks, what its module and this package export. A name that
 * means something to the code of the process is never replaced.
 */
import type { Celeriac } from '../../app.js';

/** The names, and which of them are handles of tasks. */
export interface ShellNames {
  readonly names: Readonly<Record<string, unknown>>;
  readonly handles: readonly string[];
}

/**
 * @param exports of the app's module
 * @param celeriac the exports of this package
 * @param taken names that may not be replaced. Default: those of `globalThis`
 */
export function namesFor(
  app: Celeriac,
  exports: Readonly<Record<string, unknown>>,
  celeriac: Readonly<Record<string, unknown>>,
  taken: object = globalThis,
): ShellNames {
  const tasks = handlesOf(app);
  const names = new Map<string, unknown>();
  const handles: string[] = [];
  // Later ones win: what the module calls its own is what its author types.
  for (const [name, value] of Object.entries(celeriac)) names.set(name, value);
  for (const [name, handle] of Object.entries(tasks)) names.set(name, handle);
  for (const [name, value] of Object.entries(exports)) names.set(name, value);
  names.set('tasks', tasks);
  names.set('app', app);
  for (const name of names.keys()) if (!isFree(name, taken)) names.delete(name);
  for (const [name, handle] of Object.entries(tasks))
    handles.push(names.get(name) === handle ? name : `tasks[${JSON.stringify(name)}]`);
  return { names: Object.fromEntries(names), handles };
}

function handlesOf(app: Celeriac): Record<string, unknown> {
  const byName = app.tasks<Record<string, () => unknown>>();
  return Object.fromEntries(
    app
      .worker()
      .describe()
      .tasks.map((name) => [name, Reflect.get(byName({ [name]: name }), name)] as const),
  );
}

function isFree(name: string, taken: object): boolean {
  return /^[A-Za-z_$][\w$]*$/.test(name) && !RESERVED.has(name) && !(name in taken);
}

/** Words that are identifiers by their look alone. */
const RESERVED = new Set(
  (
    'await break case catch class const continue debugger default delete do else enum export extends false finally for ' +
    'function if implements import in instanceof interface let new null package private protected public return static ' +
    'super switch this throw true try typeof var void while with yield _ _error module require exports'
  ).split(' '),
);
