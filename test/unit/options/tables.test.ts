/** Every option of every table: absent and undefined are one, a wrong value is refused by name, defaults are as written. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Celeriac, isCeleriacError } from 'celeriac';
import { Command } from 'commander';
import { resolveAppOptions } from '#src/app-options/resolve.js';
import { APP_OPTIONS } from '#src/app-options/table.js';
import { addWorkerCommand } from '#src/cli/commands/worker.js';
import { resolveCall } from '#src/options/call-options.js';
import { checked, count, duration, flag, orForEver, orNone } from '#src/options/kinds.js';
import { type AnyOption, at, option } from '#src/options/option.js';
import { OptionTable } from '#src/options/option-table.js';
import { CALL_OPTIONS, ROUTE_OPTIONS } from '#src/options/tables/call.js';
import { PUBLISH_OPTIONS, RUN_OPTIONS, TASK_OPTIONS } from '#src/options/tables/task.js';
import { WORKER_OPTIONS } from '#src/options/tables/worker.js';
import { checkTaskOptions, resolvePublishPolicy, resolveRunPolicy } from '#src/options/task-options.js';
import { resolveWorkerOptions } from '#src/worker/worker-options.js';

const ROOT = dirname(dirname(fileURLToPath(import.meta.resolve('#src/index.js'))));

const app = new Celeriac('tables', { broker: 'memory://' });

const TABLES: readonly (readonly [string, object, (options: object) => unknown])[] = [
  ['an app', APP_OPTIONS, (options) => new Celeriac('x', { broker: 'memory://', ...options })],
  ['a task', TASK_OPTIONS, (options) => checkTaskOptions(options, 'here')],
  ['a call', CALL_OPTIONS, (options) => resolveCall(options, 0, 'here')],
  ['a worker', WORKER_OPTIONS, (options) => app.worker(options as never)],
];

/** What links lead to is checked where workflows are made. */
const CHECKED_LATER = ['link', 'linkError'];
/** Their errors say "queue name", and show the value. */
const NAMED_OTHERWISE = ['queue', 'routes', 'broker'];

const optionsOf = (table: object) => Object.entries<AnyOption>(table as Record<string, AnyOption>);

describe('The options of', () => {
  for (const [what, table, read] of TABLES) {
    it(`${what}: a wrong value is refused with the name of its option and the value`, () => {
      const wrong = Symbol('wrong');
      for (const [name] of optionsOf(table).filter(([each]) => !CHECKED_LATER.includes(each)))
        assert.throws(
          () => read({ [name]: wrong }),
          (error) => {
            assert(isCeleriacError(error, 'OPTION'), `${name}: ${error}`);
            if (!NAMED_OTHERWISE.includes(name)) assert.match(error.message, new RegExp(`\\b${name}\\b`));
            assert.match(error.message, /Symbol\(wrong\)/, name);
            return true;
          },
        );
    });

    it(`${what}: each has a line of its own, and says what holds without it`, () => {
      for (const [name, { doc, default: value, without }] of optionsOf(table)) {
        assert.match(doc, /^\S.*[^.\s]$/, name);
        if (without !== undefined) assert.notEqual(without, '', name);
        assert(!Number.isNaN(value), name);
      }
    });
  }

  it('an app, a task and a worker, when all are left out, are their defaults', () => {
    const resolved = {
      ...resolveAppOptions('x', {}, {}),
      ...resolvePublishPolicy({}, {}, 'x'),
      ...resolveRunPolicy({}, {}, 'x'),
    };
    const worker = resolveWorkerOptions({}, 'celeriac');
    const withDefault = (table: object) => optionsOf(table).filter(([, { default: value }]) => value != null);
    let seen = 0;
    for (const [table, read] of [
      [APP_OPTIONS, resolved],
      [TASK_OPTIONS, resolved],
      [WORKER_OPTIONS, worker],
    ] as const)
      for (const [name, entry] of withDefault(table)) {
        if (entry === WORKER_OPTIONS.name) continue; // it has the host in it
        const expected = entry.read(entry.default, name, at('x'));
        assert.deepEqual(Reflect.get(read, name + entry.unit), expected, name);
        seen++;
      }
    assert(seen > 20);
  });

  it('a route are those of a call but what makes it this one', () => {
    const own = Object.keys(CALL_OPTIONS).filter((name) => !(name in ROUTE_OPTIONS));
    assert.deepEqual(own, ['serializer', 'taskId', 'headers', 'link', 'linkError']);
    for (const [name, entry] of optionsOf(CALL_OPTIONS))
      if (name in TASK_OPTIONS)
        assert.equal(Reflect.get({ ...PUBLISH_OPTIONS, ...RUN_OPTIONS }, name), entry);
  });
});

describe('A table', () => {
  const table = new OptionTable({
    wait: option(orNone(duration), { doc: 'x' }),
    keep: option(orForEver(duration, Number.POSITIVE_INFINITY), { default: '1s', env: 'KEEP', doc: 'x' }),
    on: option(flag, { default: true, doc: 'x' }),
    size: option(count, { doc: 'x' }),
    label: option(
      checked<string, string>('text', (value) => `<${value}>`),
      { doc: 'x' },
    ),
  });

  it('reads what is given, and no default', () => {
    const nothing = {
      waitMs: undefined,
      keepMs: undefined,
      on: undefined,
      size: undefined,
      label: undefined,
    };
    assert.deepEqual(table.readGiven({ wait: '1s', size: undefined }, at('here')), {
      ...nothing,
      waitMs: 1000,
    });
    assert.deepEqual(table.readGiven({ wait: null, keep: null }, at('here')), {
      ...nothing,
      waitMs: null,
      keepMs: Number.POSITIVE_INFINITY,
    });
  });

  it('fills in defaults, for undefined as for absent; null is none or for ever', () => {
    const defaults = { waitMs: undefined, keepMs: 1000, on: true, size: undefined, label: undefined };
    assert.deepEqual(table.resolve({}, at('here')), defaults);
    assert.deepEqual(table.resolve({ wait: undefined, keep: undefined, on: undefined }, at('x')), defaults);
    assert.deepEqual(table.resolve({ wait: null, keep: null, on: false, label: 'a' }, at('here')), {
      ...defaults,
      keepMs: Number.POSITIVE_INFINITY,
      on: false,
      label: '<a>',
    });
  });

  it('refuses what every object has, as any name it has not', () => {
    for (const name of ['constructor', 'toString', '__proto__'])
      assert.throws(
        () => table.readGiven(JSON.parse(`{"${name}": 1}`), at('here')),
        new RegExp(`here: unknown option "${name}"`),
      );
    assert.throws(() => table.checkNames({ on: null }, 'here'), /here: on must not be null/);
    assert.throws(() => table.checkNames([], 'here'), /options must be an object/);
  });

  it('reads the environment; an empty variable is none', () => {
    assert.deepEqual(table.fromEnvironment({ KEEP: '2s', WAIT: '1s' }), { keep: '2s' });
    assert.deepEqual(table.fromEnvironment({ KEEP: '' }), {});
  });
});

describe('celeriac worker', () => {
  const program = new Command();
  addWorkerCommand(program);
  const flags = new Map(program.commands[0]?.options.map((each) => [each.flags, each]));

  it('has a flag for every option that names one, with its help and default', () => {
    for (const [name, { flags: own = [], default: value }] of optionsOf(WORKER_OPTIONS))
      for (const { spec, help } of own) {
        const text = flags.get(spec)?.description ?? assert.fail(`${name} has no ${spec}`);
        assert(text.startsWith(help), text);
        if (value !== undefined) assert.match(text, new RegExp(`default ${String(value)}`));
      }
  });

  it('takes values as the kind of the option has them', () => {
    const read = (spec: string, text: string) => flags.get(spec)?.parseArg?.(text, undefined);
    assert.equal(read('--shutdown-timeout <duration>', '10s'), 10_000);
    assert.equal(read('--max-memory-per-child <size>', '1kb'), 1024);
    assert.equal(read('-P, --pool <pool>', 'threads'), 'threads');
    assert.throws(() => read('-P, --pool <pool>', 'x'), /-P: "x" is none of async, threads/);
    assert.throws(() => read('-c, --concurrency <n>', '0'), /-c: "0" must be a whole number of 1 or more/);
  });
});

describe('docs/reference/options.md', () => {
  it('is what the tables say: npm run docs:options', () => {
    const script = join(ROOT, 'scripts/options-page.mjs');
    const made = execFileSync(process.execPath, [script, '--stdout'], { encoding: 'utf8' });
    assert.equal(readFileSync(join(ROOT, 'docs/reference/options.md'), 'utf8'), made);
  });
});
