/** The types of the packed package, by the compilers and settings that people have. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { FULL, projectWith, ROOT, ran, unpacked, write } from '../support/installed.js';

const APP = `
import { Celeriac, type Handles, Task, TaskService } from 'celeriac';
import { CeleriacModule, InjectTasks } from 'celeriac/nestjs';
import { testing } from 'celeriac/testing';
import { follow, followToken, web } from 'celeriac/web';

export const app = new Celeriac('shop', { broker: 'memory://' });
export class Mail extends TaskService {
  @Task('welcome')
  async welcome(to: string): Promise<string> {
    return \`to \${to}\`;
  }
}
// Their types are inferred, and must have a name that a declaration file can say.
export const mail = app.register(new Mail());
export const double = app.task('double', (n: number) => n * 2);
export async function main(): Promise<number> {
  const text: string = await (await mail.welcome.delay('ada')).get();
  // @ts-expect-error a number is no address
  await mail.welcome.delay(5);
  return text.length;
}
export const kit = testing(app);
export const module = CeleriacModule.forRoot({ app });
export const secret = 'sixteen bytes or more';
export const following = follow(app, { secret, origins: ['https://shop.example'] });
export const token = (id: string) => followToken(app.result(id), { secret, expires: '1h' });
export const page = web(app, { readOnly: true });
export { InjectTasks };
export type MailHandles = Handles<Mail>;
`;

/** What a page imports, in a project that knows nothing of Node. */
const PAGE = `
import { follow } from 'celeriac/client';
import { useTask } from 'celeriac/react';

export async function main(url: string): Promise<number> {
  const task = follow<{ words: number }, string>(url, { fetch: window.fetch, signal: AbortSignal.timeout(1000) });
  for await (const word of task) document.body.append(word.toUpperCase());
  for await (const { index, attempt, chunk } of task.entries()) console.log(index + attempt, chunk.length);
  for await (const { state, meta } of task.updates()) console.log(state.length, meta);
  // @ts-expect-error the value has no text
  (await task.done).text;
  return (await task.done).words;
}
export const useWords = (url: string | null): readonly string[] => useTask<{ words: number }, string>(url).chunks;
`;

interface Setting {
  readonly compiler: string;
  readonly module: string;
  readonly type: 'commonjs' | 'module';
  /** Standard decorators instead of TypeScript's old ones. */
  readonly standard: boolean;
}

const COMPILERS = ['5.4', '5.9', '6', '7'];
const MODULES: readonly (readonly [module: string, types: readonly Setting['type'][]])[] = [
  ['commonjs', ['commonjs']],
  ['node16', ['commonjs', 'module']],
  ['nodenext', ['commonjs', 'module']],
  ['esnext', ['module']],
];

/** Of the older compilers, which take seconds for each, the short form tries the settings that their users have. */
const TELLING: Readonly<Record<string, readonly string[]>> = {
  '5.4': ['commonjs', 'node16'],
  '5.9': ['commonjs'],
  '6': ['commonjs'],
};

const settings = COMPILERS.flatMap((compiler) =>
  MODULES.filter(([module]) => FULL || (TELLING[compiler]?.includes(module) ?? true)).flatMap(
    ([module, types]) =>
      types
        .filter((type) => FULL || compiler === '7' || type === 'commonjs')
        .map((type) => ({ compiler, module, type, standard: module === 'nodenext' || module === 'esnext' })),
  ),
);

describe('The types of the package', { concurrency: 2 }, () => {
  const ends: (() => void)[] = [];
  let folder: string;
  before(async () => {
    const scope = { after: (end: () => void) => void ends.push(end) };
    const celeriac = await unpacked(scope);
    const packages = {
      'typescript-5.4': 'npm:typescript@~5.4.0',
      'typescript-5.9': 'npm:typescript@~5.9.0',
      'typescript-6': 'npm:typescript@~6.0.0',
      '@types/node': '^20.0.0',
      '@nestjs/common': '^12.0.0',
      '@nestjs/core': '^12.0.0',
      rxjs: '^7.8.0',
    };
    folder = await projectWith(scope, celeriac, {}, packages);
  });
  after(() => {
    for (const end of ends) end();
  });

  for (const setting of settings) {
    const { compiler, module, type, standard } = setting;
    const dialect = standard ? 'standard decorators' : 'experimentalDecorators';
    it(`suit TypeScript ${compiler}, module ${module}, a package of type ${type}, ${dialect}`, async () => {
      const project = join(folder, `${compiler}-${module}-${type}`);
      write(project, {
        'app.ts': APP,
        'package.json': JSON.stringify({ type }),
        'tsconfig.json': JSON.stringify({ compilerOptions: optionsOf(setting), files: ['app.ts'] }),
      });
      assert.deepEqual(await ran(process.execPath, [compilerOf(folder, compiler), '-p', project]), {
        code: 0,
        output: '',
      });
    });
  }

  for (const compiler of FULL ? COMPILERS : ['5.4', '7'])
    it(`suit a page that TypeScript ${compiler} knows no Node for`, async () => {
      const project = join(folder, `page-${compiler}`);
      const options = {
        ...optionsOf({ compiler, module: 'esnext', type: 'module', standard: true }),
        types: [],
      };
      write(project, {
        'page.ts': PAGE,
        'package.json': JSON.stringify({ type: 'module' }),
        'tsconfig.json': JSON.stringify({
          compilerOptions: { ...options, skipLibCheck: false, lib: ['es2023', 'dom', 'dom.asynciterable'] },
          files: ['page.ts'],
        }),
      });
      assert.deepEqual(await ran(process.execPath, [compilerOf(folder, compiler), '-p', project]), {
        code: 0,
        output: '',
      });
    });
});

function compilerOf(folder: string, compiler: string): string {
  const modules = compiler === '7' ? join(ROOT, 'node_modules') : join(folder, 'node_modules');
  return join(modules, compiler === '7' ? 'typescript' : `typescript-${compiler}`, 'bin/tsc');
}

function optionsOf({ compiler, module, standard }: Setting): object {
  return {
    module,
    target: 'es2022',
    strict: true,
    declaration: true,
    skipLibCheck: true,
    types: ['node'],
    rootDir: '.',
    outDir: 'out',
    ...(!standard && { experimentalDecorators: true, emitDecoratorMetadata: true }),
    ...(module === 'esnext' && { moduleResolution: 'bundler' }),
    // What module: commonjs had always meant, until 6.
    ...(module === 'commonjs' && compiler.startsWith('5') && { moduleResolution: 'node10' }),
  };
}
