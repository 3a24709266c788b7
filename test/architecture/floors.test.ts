import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readSources, roomOf, type SourceFile, sourceFile } from './source.js';

/**
 * The floors of the house, low to high. A file imports from its own room or from a lower floor; rooms on one floor do
 * not know each other. A new room gets its place here.
 */
const FLOORS: readonly (readonly string[])[] = [
  [
    'app-host',
    'client',
    'errors',
    'foreign',
    'local-time',
    'package-folder',
    'process-wide',
    'settle-all',
    'show',
    'text-escape',
    'key-order',
    'timers',
    'transient-map',
    'version',
  ],
  ['app-overrides', 'duration', 'own-files', 'package-loading', 'react', 'states'],
  ['options'],
  ['protocol'],
  ['tasks', 'broker'],
  ['coordination'],
  ['queue'],
  ['streams'],
  ['results'],
  ['steps'],
  ['calls'],
  ['canvas'],
  ['control', 'events', 'transactions'],
  ['schedules', 'worker'],
  ['app-options'],
  ['app-parts'],
  ['app'],
  ['web'],
  ['index', 'testing', 'nestjs', 'cli'],
];

/** Packages that these rooms alone may import. */
const KEPT_TO: Readonly<Record<string, readonly string[]>> = {
  bullmq: ['broker', 'queue'],
  ioredis: ['broker', 'queue'],
  pg: ['broker'],
  '@electric-sql/pglite': ['broker'],
  commander: ['cli'],
  'cron-parser': ['schedules'],
  'class-validator': ['tasks'],
  'class-transformer': ['tasks'],
  '@swc/core': ['cli'],
  '@nestjs/common': ['nestjs'],
  '@nestjs/core': ['nestjs'],
  tsx: ['cli'],
  react: ['react'],
};

/** The one file that touches emitted metadata. */
const METADATA_FILE = 'tasks/declaration.ts';
const MOST_LINES = 400;
const VAGUE_NAMES = /(^|[/-])(utils?|helpers?|types|common|misc|shared)\.ts$/;

/** What is wrong with the files, one sentence each: the rule, where, and what to do. */
const RULES: Readonly<Record<string, (files: readonly SourceFile[]) => string[]>> = {
  'every room has a floor': (files) =>
    [...new Set(files.map(({ room }) => room))]
      .filter((room) => floorOf(room) < 0)
      .map(
        (room) =>
          `src/${room} has no floor. Give it one in FLOORS (test/architecture/floors.test.ts), as low as it can be.`,
      ),

  'imports go down, or stay in the room': (files) =>
    files.flatMap(({ path, room, local }) =>
      local
        .filter((target) => roomOf(target) !== room && floorOf(roomOf(target)) >= floorOf(room))
        .map(
          (target) =>
            `src/${path} imports src/${target}: ${room} stands on floor ${floorOf(room)}, ${roomOf(target)} on ` +
            `${floorOf(roomOf(target))}. Let the lower room own a small interface and hand it in from above, or move ` +
            'what both need to a lower floor.',
        ),
    ),

  'what is imported exists': (files) => {
    const known = new Set(files.map(({ path }) => path));
    return files.flatMap(({ path, local }) =>
      local
        .filter((target) => !known.has(target))
        .map((target) => `src/${path} imports src/${target}, which is not there.`),
    );
  },

  'nothing imports in a circle': (files) =>
    cycles(files).map(
      (cycle) =>
        `${cycle.join(' → ')}: an import cycle. Move what both ends need into a file of its own below them.`,
    ),

  'drivers and frameworks stay in their rooms': (files) =>
    files.flatMap(({ path, room, packages }) =>
      packages
        .filter((name) => KEPT_TO[name]?.includes(room) === false)
        .map(
          (name) =>
            `src/${path} imports ${name}, which only ${KEPT_TO[name]?.join(' and ')} may. Ask there through an ` +
            'interface of its own.',
        ),
    ),

  'only the declaration file touches emitted metadata': (files) =>
    files
      .filter(
        ({ path, text }) => path !== METADATA_FILE && /reflect-metadata|Reflect\.\w*[mM]etadata/.test(text),
      )
      .map(({ path }) => `src/${path} uses reflect-metadata. Ask src/${METADATA_FILE}, its only user.`),

  'names say what a file holds': (files) =>
    files
      .filter(({ path }) => VAGUE_NAMES.test(path))
      .map(({ path }) => `src/${path} is a drawer for anything. Name the file after its one concept.`),

  'index.ts is the only barrel': (files) =>
    files
      .filter(
        ({ path, text }) =>
          path !== 'index.ts' && (/(^|\/)index\.ts$/.test(path) || /^export \* /m.test(text)),
      )
      .map(({ path }) => `src/${path} re-exports a room. Import from the file that has the thing.`),

  'what is found by a name is kept in a Map': (files) =>
    files
      .filter(({ text }) => /: (Readonly<)?(Partial<)?Record<string, [^=\n]*> = \{/.test(text))
      .map(
        ({ path }) =>
          `src/${path} has an object literal that is read or filled by names. One called "constructor" finds what every ` +
          'object has, and "__proto__" is lost: use a Map, and Object.fromEntries for what leaves it.',
      ),

  'a file is one concept, in no more than 400 lines': (files) =>
    files
      .filter(({ lines }) => lines > MOST_LINES)
      .map(
        ({ path, lines }) =>
          `src/${path} has ${lines} lines. Find the second concept in it and give it a file.`,
      ),
};

function floorOf(room: string): number {
  return FLOORS.findIndex((rooms) => rooms.includes(room));
}

function cycles(files: readonly SourceFile[]): string[][] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const done = new Set<string>();
  const found: string[][] = [];
  const walk = (path: string, trail: readonly string[]) => {
    const seenAt = trail.indexOf(path);
    if (seenAt >= 0) found.push([...trail.slice(seenAt), path]);
    if (seenAt >= 0 || done.has(path)) return;
    for (const target of byPath.get(path)?.local ?? []) walk(target, [...trail, path]);
    done.add(path);
  };
  for (const { path } of files) walk(path, []);
  return found;
}

describe('The house', () => {
  const files = readSources();

  it('is found', () => {
    assert(files.length > 50, `only ${files.length} files`);
    assert(files.some(({ path }) => path === METADATA_FILE));
  });

  for (const [rule, broken] of Object.entries(RULES)) {
    it(`keeps to its rule: ${rule}`, () => {
      assert.deepEqual(broken(files), []);
    });
  }
});

describe('The rules of the house notice', () => {
  const complaints = (rule: string, ...files: [path: string, text: string][]) =>
    RULES[rule]?.(files.map(([path, text]) => sourceFile(path, text))) ?? assert.fail(`no rule "${rule}"`);
  const down = 'imports go down, or stay in the room';

  it('a broken floor, by whichever kind of import', () => {
    for (const text of [
      "import { Worker } from '../worker/worker.js';",
      "import type { Worker } from '../worker/worker.js';",
      "import {\n  Worker,\n  type WorkerOptions,\n} from '../worker/worker.js';",
      "export { Worker } from '../worker/worker.js';",
      "const { Worker } = await import('../worker/worker.js');",
      "import '../worker/worker.js';",
    ]) {
      const [complaint = '', ...more] = complaints(down, ['broker/x.ts', text]);
      assert.match(
        complaint,
        /^src\/broker\/x\.ts imports src\/worker\/worker\.ts: broker stands on floor 4, worker on 13\./,
      );
      assert.deepEqual(more, []);
    }
    assert.match(
      complaints(down, ['tasks/x.ts', "import { a } from '../broker/y.js';"])[0] ?? '',
      /tasks .* broker/,
    );
    assert.deepEqual(
      complaints(down, ['worker/x.ts', "import { a } from '../broker/y.js'; import { b } from './z.js';"]),
      [],
    );
    assert.deepEqual(
      complaints(down, ['broker/x.ts', "// import { Worker } from '../worker/worker.js';"]),
      [],
    );
  });

  it('a room without a floor, a file that is not there, and a cycle', () => {
    assert.match(
      complaints('every room has a floor', ['attic/x.ts', ''])[0] ?? '',
      /src\/attic has no floor/,
    );
    assert.equal(complaints('what is imported exists', ['app.ts', "import './gone.js';"]).length, 1);
    const circle = complaints(
      'nothing imports in a circle',
      ['tasks/a.ts', "import './b.js';"],
      ['tasks/b.ts', "import type { C } from './c.js';"],
      ['tasks/c.ts', "import './a.js';"],
      ['tasks/d.ts', "import './a.js';"],
    );
    assert.equal(circle.length, 1);
    assert.match(circle[0] ?? '', /tasks\/a\.ts → tasks\/b\.ts → tasks\/c\.ts → tasks\/a\.ts/);
  });

  it('a driver outside its room, metadata outside its file, a vague name, a barrel, and a long file', () => {
    const drivers = 'drivers and frameworks stay in their rooms';
    assert.equal(complaints(drivers, ['worker/x.ts', "import { Job } from 'bullmq';"]).length, 1);
    assert.equal(complaints(drivers, ['app.ts', "await import('@electric-sql/pglite/live');"]).length, 1);
    assert.equal(complaints(drivers, ['broker/x.ts', "import { Job } from 'bullmq';"]).length, 0);
    const metadata = 'only the declaration file touches emitted metadata';
    assert.equal(complaints(metadata, ['tasks/x.ts', "Reflect.getMetadata('design:type', a, b);"]).length, 1);
    assert.equal(complaints(metadata, ['tasks/x.ts', "Reflect.get(a, 'b');"]).length, 0);
    const names = 'names say what a file holds';
    for (const path of ['utils.ts', 'tasks/helpers.ts', 'broker/redis-types.ts', 'cli/util.ts']) {
      assert.equal(complaints(names, [path, '']).length, 1, path);
    }
    const barrel = 'index.ts is the only barrel';
    assert.equal(complaints(barrel, ['tasks/index.ts', '']).length, 1);
    assert.equal(complaints(barrel, ['tasks/all.ts', "export * from './service.js';"]).length, 1);
    const long = 'a file is one concept, in no more than 400 lines';
    assert.equal(complaints(long, ['app.ts', 'x\n'.repeat(401)]).length, 1);
    assert.equal(complaints(long, ['app.ts', 'x\n'.repeat(400)]).length, 0);
  });
});
