/** Which module `-A` means, that it loads in every dialect people write, and what is said when it does not. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { findModule, splitSpec } from '#src/cli/load/app.js';
import { project } from '../../../support/cli.js';

/** Stands in for an app: what makes one is what it can do. */
const APP = '{ worker() {}, register() {}, sendTask() {}, close() {}, seen }';
const LEGACY = { compilerOptions: { experimentalDecorators: true, emitDecoratorMetadata: true } };

/** Loads in a process of its own, as the command does: hooks stay installed for a process's lifetime. */
async function load(
  folder: string,
  spec: string,
): Promise<{ seen?: unknown; compiler?: string; error?: string }> {
  const script = `
    import { loadApp } from ${JSON.stringify(import.meta.resolve('#src/cli/load/app.js'))};
    try {
      const { app, compiler } = await loadApp(${JSON.stringify(spec)});
      console.log(JSON.stringify({ compiler, seen: app.seen }));
    } catch (error) {
      console.log(JSON.stringify({ error: error.message, code: error.code }));
    }`;
  const args = ['--no-warnings', '--input-type=module', '-e', script];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: folder });
  return JSON.parse(stdout);
}

describe('the module that -A names', () => {
  it('is split from the export after the last colon, drive letters aside', () => {
    assert.deepEqual(splitSpec('tasks'), { name: 'tasks', exportName: undefined });
    assert.deepEqual(splitSpec('src/tasks.ts:reports'), { name: 'src/tasks.ts', exportName: 'reports' });
    assert.deepEqual(splitSpec('t:app'), { name: 't', exportName: 'app' });
    assert.deepEqual(splitSpec('C:\\code\\tasks.ts'), { name: 'C:\\code\\tasks.ts', exportName: undefined });
  });

  it('is the name itself, then with an ending, then the same below src and dist', (t) => {
    const folder = project(t, {
      'dist/tasks.js': '',
      'src/tasks.ts': '',
      'tasks.mjs': '',
      'a.cjs': '',
      'src/a.ts': '',
    });
    assert.equal(findModule('tasks', folder), join(folder, 'tasks.mjs'));
    assert.equal(findModule('a', folder), join(folder, 'a.cjs'));
    assert.equal(findModule('dist/tasks', folder), join(folder, 'dist/tasks.js'));
    assert.equal(findModule('src/tasks.ts', folder), join(folder, 'src/tasks.ts'));
    assert.equal(findModule(join(folder, 'src/a.ts'), '/'), join(folder, 'src/a.ts'));
  });

  it('is looked for in vain with a list of what was tried', (t) => {
    const folder = project(t, {});
    assert.throws(() => findModule('taks', folder), {
      code: 'OPTION',
      message:
        /No module for "-A taks".*Tried taks, taks\.ts \.mts \.js \.mjs \.cjs, and .* src\/ and dist\/\..*folder of your code/,
    });
  });
});

describe('the app in a module', () => {
  const apps = (...names: string[]) => names.map((name) => `export const ${name} = ${APP};`).join('\n');
  const files = {
    'package.json': '{ "type": "module" }',
    'named.js': `const seen = 'named'; export const express = {}; export const handles = new Proxy({}, { get() { throw new Error('unknown name'); } }); ${apps('celery')}`,
    'preferred.js': `const seen = 'app'; ${apps('other', 'app')}`,
    'default.js': `const seen = 'default'; ${apps('other')} const mine = ${APP}; export default mine;`,
    'twice.js': `const seen = 'twice'; ${apps('one')} export default one; export { one as again };`,
    'several.js': `const seen = 1; ${apps('mail', 'reports')}`,
    'none.js': 'export const app = {}; export const x = null;',
    'throws.js': 'throw new TypeError("no\\n such thing");',
    'missing.js': 'import "../gone.js";',
    'common.cjs': `const seen = 'cjs'; exports.app = ${APP};`,
    'whole.cjs': `const seen = 'whole'; module.exports = ${APP};`,
  };

  for (const [module, seen] of [
    ['named', 'named'],
    ['preferred', 'app'],
    ['default', 'default'],
    ['twice', 'twice'],
    ['common', 'cjs'],
    ['whole', 'whole'],
    ['several:reports', 1],
  ] as const) {
    it(`is found in ${module}`, async (t) => {
      assert.deepEqual(await load(project(t, files), module), { seen });
    });
  }

  for (const [module, message] of [
    ['several', /several\.js exports several apps: mail, reports\. Say which, as in "-A several:mail"/],
    ['several:mial', /has no export "mial"\. Its apps are: mail, reports\./],
    ['none', /none\.js exports no Celeriac app\. Add: export const app = new Celeriac/],
    ['none:app', /exports "app", which is no Celeriac app/],
    ['throws', /throws\.js could not be loaded: TypeError: no such thing\./],
    ['missing', /missing\.js could not be loaded: Cannot find module .*gone\.js/],
  ] as const) {
    it(`is asked for clearly in ${module}`, async (t) => {
      assert.match((await load(project(t, files), module)).error ?? '', message);
    });
  }
});

const LEGACY_TASKS = (dtoFrom: string): string => `
import 'reflect-metadata';
import { Dto } from '${dtoFrom}';
const seen: unknown[] = [];
function Seen(target: object, key: string, _descriptor: PropertyDescriptor): void {
  seen.push(...Reflect.getMetadata('design:paramtypes', target, key).map((type: { name: string }) => type.name));
}
class Service {
  #secret: number = 1;
  @Seen run(_dto: Dto, _text: string): number { return this.#secret; }
}
export const app = ${APP};
void Service;
`;

const STANDARD_TASKS = `
const seen: unknown[] = [];
function Seen<T>(_value: T, context: ClassMethodDecoratorContext): void { seen.push(context.kind, context.name); }
class Service { @Seen run(): void {} }
export const app = ${APP};
void Service;
`;

describe('TypeScript', () => {
  const dto = 'export class Dto { declare x: string }';

  it('loads with legacy decorators and their metadata, in an ES module, by NodeNext specifiers', async (t) => {
    const folder = project(t, {
      'package.json': '{ "type": "module" }',
      'tsconfig.json': JSON.stringify(LEGACY),
      'src/tasks.ts': LEGACY_TASKS('./dto.js'),
      'src/dto.ts': dto,
    });
    assert.deepEqual(await load(folder, 'tasks'), { compiler: 'swc', seen: ['Dto', 'String'] });
  });

  it('loads with legacy decorators and their metadata, in CommonJS, without endings and by aliases', async (t) => {
    const folder = project(t, {
      'package.json': '{}',
      'tsconfig.base.json': JSON.stringify(LEGACY),
      'tsconfig.json':
        '{ // with a comment\n "extends": "./tsconfig.base", "compilerOptions": { "paths": { "@dto/*": ["./src/dto/*"], }, }, }',
      'src/tasks.ts': LEGACY_TASKS('@dto/all'),
      'src/dto/all/index.ts': `export { Dto } from './one';`,
      'src/dto/all/one.ts': dto,
    });
    assert.deepEqual(await load(folder, 'tasks'), { compiler: 'swc', seen: ['Dto', 'String'] });
  });

  it('loads with standard decorators where no tsconfig asks for legacy ones', async (t) => {
    const folder = project(t, { 'package.json': '{ "type": "module" }', 'tasks.ts': STANDARD_TASKS });
    assert.deepEqual(await load(folder, 'tasks'), { compiler: 'swc', seen: ['method', 'run'] });
  });

  it('loads .mts in a CommonJS project, and .cts next to it', async (t) => {
    const folder = project(t, {
      'package.json': '{}',
      'tasks.mts': `import { seen } from './seen.cjs';\nexport default ${APP};`,
      'seen.cts': `export const seen: string = 'cts';`,
    });
    assert.deepEqual(await load(folder, 'tasks'), { compiler: 'swc', seen: 'cts' });
  });

  it('loads through tsx where the project has no SWC', async (t) => {
    for (const type of ['module', 'commonjs']) {
      const files = { 'package.json': JSON.stringify({ type }), 'tasks.ts': STANDARD_TASKS };
      const folder = project(t, files, ['tsx']);
      assert.deepEqual(await load(folder, 'tasks'), { compiler: 'tsx', seen: ['method', 'run'] }, type);
    }
  });

  it('says what to install where the project has neither', async (t) => {
    const folder = project(t, { 'tasks.ts': STANDARD_TASKS }, []);
    assert.match((await load(folder, 'tasks')).error ?? '', /npm install --save-dev @swc\/core/);
  });

  it('points CommonJS files that need ES modules to package.json', async (t) => {
    const folder = project(t, { 'package.json': '{}', 'tasks.ts': 'await 1; export {};' });
    assert.match((await load(folder, 'tasks')).error ?? '', /"type": "module"/);
  });
});
