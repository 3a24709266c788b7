import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { CLI_PATH } from '../support/cli.js';
import { postgresBinaries } from '../support/postgres.js';

const ROOT = dirname(dirname(dirname(CLI_PATH)));
const run = promisify(execFile);

/** One of each kind of workload, and all that callers can do. */
const WORKLOADS = [
  'call-one',
  'drain-10',
  'await-one',
  'progress',
  'chain-10',
  'start',
  'size',
  'listeners-4',
];

describe('the bench', () => {
  before(() => run(join(ROOT, 'node_modules/.bin/tsc'), ['-p', 'bench/tsconfig.json'], { cwd: ROOT }));

  it('measures every kind of workload on raw BullMQ and celeriac, and writes table, JSON and chart', {
    timeout: 300_000,
  }, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'celeriac-bench-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const [json, svg] = [join(folder, 'run.json'), join(folder, 'run.svg')];
    const what = ['--only', WORKLOADS.join(','), '--subjects', 'bullmq,celeriac', '--jobs', '20', '--quick'];
    const { stdout } = await run(
      process.execPath,
      ['build/bench/main.js', ...what, '--json', json, '--svg', svg],
      { cwd: ROOT, env: { ...process.env, NODE_TEST_CONTEXT: undefined } },
    );
    assert.match(stdout, /\| drain, concurrency 10 +\| +raw BullMQ \| +celeriac \|/);
    const { samples } = JSON.parse(readFileSync(json, 'utf8')) as { samples: Sample[] };
    for (const workload of WORKLOADS) {
      const kinds = samples
        .filter((sample) => sample.workload === workload)
        .map(({ outcome }) => outcome.kind);
      assert.deepEqual(kinds, ['measured', 'measured'], workload);
    }
    assert.match(readFileSync(svg, 'utf8'), /^<svg .*<\/svg>\s*$/s);
  });

  it('measures them on PostgreSQL too', {
    skip: postgresBinaries() === undefined ? 'PostgreSQL is not installed' : false,
    timeout: 300_000,
  }, async () => {
    const what = ['--only', 'call-one,drain-10,size', '--jobs', '20', '--quick', '--broker', 'postgres'];
    const { stdout } = await run(process.execPath, ['build/bench/main.js', ...what], {
      cwd: ROOT,
      env: { ...process.env, NODE_TEST_CONTEXT: undefined },
    });
    for (const metric of ['jobs/s', 'caller CPU, µs/job', 'worker CPU, µs/job', 'broker bytes, waiting task'])
      assert.match(stdout, new RegExp(`^\\| ${metric} +\\| +[\\d,]+ \\| +[\\d,]+ \\|`, 'm'));
  });

  it('follows chords of each design through their whole lives', { timeout: 300_000 }, async () => {
    const what = ['--sizes', '100', '--rounds', '1', '--chained', '20'];
    const { stdout, stderr } = await run(process.execPath, ['build/bench/chords/main.js', ...what], {
      cwd: ROOT,
    });
    assert.equal(stderr, '');
    for (const design of ['celeriac', 'BullMQ flow', 'counter'])
      assert.match(stdout, new RegExp(`^${design}: a chord of 1000 takes \\d+ ms`, 'm'));
    for (const phase of ['send', 'work', 'remove', 'revoke', 'expire'])
      assert.match(stdout, new RegExp(`^  ${phase} .* bytes/member: most +\\d+.* longest command`, 'm'));
  });

  it('names what it does not know', async () => {
    const bench = run(process.execPath, ['build/bench/main.js', '--only', 'nonsense'], { cwd: ROOT });
    await assert.rejects(bench, (error: { code?: number; stderr?: string }) => {
      assert.equal(error.code, 2);
      assert.match(error.stderr ?? '', /no workload "nonsense"/);
      return true;
    });
  });
});

interface Sample {
  readonly workload: string;
  readonly outcome: { readonly kind: string };
}
