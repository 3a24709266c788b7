/** Apps that are bundled: with what they need inside, and run where there is no node_modules. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { cpSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { build } from 'esbuild';
import { ONLY_FULL, projectWith, ran, temporary, unpacked, write } from '../support/installed.js';
import { sources, WORKED } from '../support/package-programs.js';
import { startPostgres } from '../support/postgres.js';
import { type RedisServer, startRedis } from '../support/redis.js';

let redis: RedisServer;
let celeriac: string;
const alive = setInterval(() => undefined, 1000);
const ends: (() => unknown)[] = [];
const scope = { after: (fn: () => void) => void ends.push(fn) };
before(async () => {
  redis = await startRedis();
  celeriac = await unpacked(scope);
});
after(async () => {
  await redis.close();
  for (const end of ends) end();
  clearInterval(alive);
});

const FORMATS = [
  ['CommonJS', 'cjs'],
  ['ES modules', 'esm'],
] as const;
const PROGRAMS = ['call', 'work', 'refused'];
const lines = (output: string) => output.split('\n').filter((line) => line !== '' && !line.startsWith('['));

/** The three bundles behave, wherever they lie. */
async function behave(folder: string, ending: string): Promise<void> {
  const env = { BROKER: redis.url, PREFIX: randomUUID() };
  const start = (name: string) =>
    ran(process.execPath, [join(folder, `${name}${ending}`)], { cwd: folder, env });
  const call = await start('call');
  assert.deepEqual(lines(call.output), ['accepted'], call.output);
  const work = await start('work');
  assert.deepEqual(lines(work.output), WORKED, work.output);
  assert.match(work.output, /celeriac is part of a bundle, without its thread that renews the locks/);
  assert.equal(work.code, 0);
  const refused = lines((await start('refused')).output);
  assert.equal(refused.length, 3, refused.join('\n'));
  for (const message of refused)
    assert.match(message, /own file .* bundle does not hold.*--external:celeriac/);
}

describe('An app bundled by esbuild', () => {
  for (const [name, format] of FORMATS) {
    it(`as ${name}, minified: calls and works, and refuses by name what it cannot do`, async (t) => {
      const folder = await projectWith(t, celeriac, sources('module'));
      const alone = temporary(t);
      const ending = format === 'cjs' ? '.cjs' : '.mjs';
      await build({
        entryPoints: PROGRAMS.map((program) => join(folder, `${program}.ts`)),
        outdir: alone,
        outExtension: { '.js': ending },
        bundle: true,
        minify: true,
        keepNames: true,
        platform: 'node',
        target: 'node20',
        format,
        logLevel: 'error',
      });
      await behave(alone, ending);
    });
  }

  it('with pg inside, as ES modules: works on PostgreSQL', async (t) => {
    const postgres = await startPostgres();
    t.after(() => postgres.close());
    const folder = await projectWith(t, celeriac, sources('module'), { pg: '^8.0.0' });
    const alone = temporary(t);
    await build({
      entryPoints: [join(folder, 'work.ts')],
      outfile: join(alone, 'work.mjs'),
      bundle: true,
      platform: 'node',
      target: 'node20',
      format: 'esm',
      logLevel: 'error',
    });
    const env = { BROKER: postgres.url, PREFIX: 'bundled', MIGRATE: '1' };
    const work = await ran(process.execPath, [join(alone, 'work.mjs')], { cwd: alone, env });
    assert.deepEqual(lines(work.output), WORKED, work.output);
  });

  it('with celeriac left out: works as without a bundle', async (t) => {
    const folder = await projectWith(t, celeriac, sources('module'));
    await build({
      entryPoints: [join(folder, 'work.ts')],
      outfile: join(folder, 'out/work.cjs'),
      bundle: true,
      platform: 'node',
      target: 'node20',
      format: 'cjs',
      external: ['celeriac', 'class-validator'],
      logLevel: 'error',
    });
    const env = { BROKER: redis.url, PREFIX: 'external' };
    const work = await ran(process.execPath, [join(folder, 'out/work.cjs')], { env });
    assert.deepEqual(lines(work.output), WORKED, work.output);
    assert.doesNotMatch(work.output, /bundle/);
  });
});

describe('An app bundled by webpack', ONLY_FULL, () => {
  it('as CommonJS and as ES modules: the same', { timeout: 1_200_000 }, async (t) => {
    const packages = { webpack: '^5.113.0', 'webpack-cli': '^7.3.1', esbuild: '^0.28.0' };
    const folder = await projectWith(t, celeriac, sources('module'), packages);
    write(folder, { 'webpack.config.cjs': WEBPACK, 'loader.cjs': LOADER });
    const { code, output } = await ran(
      process.execPath,
      [join(folder, 'node_modules/webpack/bin/webpack.js')],
      { cwd: folder, timeout: 1_000_000 },
    );
    assert.equal(code, 0, output);
    assert(readdirSync(join(folder, 'out')).includes('work.mjs'), output);
    for (const ending of ['.cjs', '.mjs']) {
      const alone = temporary(t);
      cpSync(join(folder, 'out'), alone, { recursive: true });
      await behave(alone, ending);
    }
  });
});

const WEBPACK = `
const { resolve } = require('node:path');
const entry = Object.fromEntries(${JSON.stringify(PROGRAMS)}.map((name) => [name, './' + name + '.ts']));
const base = {
  mode: 'production', target: 'node20', devtool: false, entry,
  optimization: { minimize: false },
  resolve: { extensions: ['.ts', '.js'] },
  module: { rules: [{ test: /\\.ts$/, loader: resolve('loader.cjs') }] },
};
module.exports = [
  { ...base, output: { path: resolve('out'), filename: '[name].cjs', chunkFilename: '[id].cjs' } },
  { ...base, experiments: { outputModule: true },
    output: { path: resolve('out'), filename: '[name].mjs', chunkFilename: '[id].mjs', module: true, chunkFormat: 'module' } },
];
`;
const LOADER = `
const { transformSync } = require('esbuild');
module.exports = (source) => transformSync(source, { loader: 'ts', target: 'es2022' }).code;
`;
