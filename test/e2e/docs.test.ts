/**
 * The code in the documents compiles, and runs where it says so. A block's info string decides:
 *
 *   ts check           compiled, as a module of its own beside the document's others; also `tsx check`
 *   ts run             compiled and run on a Redis, unless it names a broker itself; must exit 0
 *   ts more            continues the block before it
 *   … file=tasks.ts    the module's name, for imports from other blocks of the document
 *   text output        what the `run` before it prints
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { uniqueName } from '../support/app.js';
import { CLI_PATH } from '../support/cli.js';
import { type RedisServer, startRedis } from '../support/redis.js';

const ROOT = dirname(dirname(dirname(CLI_PATH)));
const OUT = join(ROOT, 'build/docs');
const run = promisify(execFile);

interface Program {
  /** `docs/guide/tasks.md:12` */
  readonly where: string;
  /** Path under build/docs, without its ending. */
  readonly path: string;
  /** `.ts` or `.tsx` */
  readonly ending: string;
  readonly runs: boolean;
  code: string;
  output: string | undefined;
}

const programs = documents().flatMap(programsIn);

describe('the code in the documents', () => {
  let complaints = '';
  let redis: RedisServer;
  before(async () => {
    redis = await startRedis();
    rmSync(OUT, { recursive: true, force: true });
    for (const { path, ending, code, where } of programs) {
      mkdirSync(dirname(join(OUT, path)), { recursive: true });
      writeFileSync(join(OUT, path + ending), `// ${where}\n${code}`);
    }
    writeFileSync(join(OUT, 'tsconfig.json'), JSON.stringify(TSCONFIG));
    complaints = await compile();
  });
  after(() => redis.close());

  it('compiles', () => assert.equal(complaints, ''));

  for (const { where, path, output } of programs.filter((program) => program.runs)) {
    it(`${where} runs`, { timeout: 60_000 }, async () => {
      const { stdout } = await run(process.execPath, [join(OUT, `${path}.js`)], {
        cwd: OUT,
        env: {
          ...process.env,
          CELERIAC_BROKER_URL: redis.url,
          CELERIAC_PREFIX: uniqueName(),
          NODE_TEST_CONTEXT: undefined,
        },
      });
      if (output !== undefined) assert.equal(stdout, output);
    });
  }

  it('is there: a parser that finds nothing would find no mistake', () => {
    assert.ok(programs.some(({ where }) => where.startsWith('README.md')));
    assert.ok(programs.some(({ where }) => where.startsWith('docs/guide/tasks.md')));
  });
});

const TSCONFIG = {
  extends: relative(OUT, join(ROOT, 'tsconfig.base.json')),
  compilerOptions: {
    experimentalDecorators: true,
    emitDecoratorMetadata: true,
    declaration: false,
    jsx: 'react-jsx',
    rootDir: '.',
  },
  include: ['.'],
};

/** @returns what the compiler has to say */
async function compile(): Promise<string> {
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  try {
    return (await run(process.execPath, [tsc, '-p', 'tsconfig.json'], { cwd: OUT })).stdout;
  } catch (error) {
    return (error as { stdout?: string }).stdout || String(error);
  }
}

function documents(): string[] {
  const docs = readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' });
  return [
    'README.md',
    ...docs.filter((file) => file.endsWith('.md')).map((file) => join('docs', file)),
  ].sort();
}

function programsIn(document: string): Program[] {
  const found: Program[] = [];
  const folder = document.replace(/\.md$/, '').replaceAll('/', '_');
  for (const { line, info, text } of blocksIn(readFileSync(join(ROOT, document), 'utf8'))) {
    const [language, mark, ...rest] = info.split(/\s+/);
    const last = found.at(-1);
    if (language === 'text' && mark === 'output' && last !== undefined) last.output = text;
    if ((language !== 'ts' && language !== 'tsx') || mark === undefined) continue;
    if (mark === 'more' && last !== undefined) {
      last.code += text;
      continue;
    }
    assert.ok(mark === 'run' || mark === 'check', `${document}:${line}: "${info}" is no known mark`);
    const file = rest.find((word) => word.startsWith('file='))?.slice('file='.length) ?? `line-${line}.ts`;
    found.push({
      where: `${document}:${line}`,
      path: join(folder, basename(file, '.ts')),
      ending: `.${language}`,
      runs: mark === 'run',
      code: text,
      output: undefined,
    });
  }
  return found;
}

function* blocksIn(markdown: string): Generator<{ line: number; info: string; text: string }> {
  const lines = markdown.split('\n');
  for (let at = 0; at < lines.length; at++) {
    const info = /^```(.*)$/.exec(lines[at] ?? '')?.[1];
    if (info === undefined) continue;
    const start = at + 1;
    do at++;
    while (at < lines.length && lines[at] !== '```');
    yield { line: start, info: info.trim(), text: `${lines.slice(start, at).join('\n')}\n` };
  }
}
