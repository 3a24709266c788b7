/**
 * Builds the package and the tests, and runs them: `node scripts/test.mjs [suite | file]… [option of node --test]…`.
 * A suite is a folder under `test/`; without one all are run. Every `tsconfig*.json` of `test/` is compiled and its
 * tests are run; those of `test/types/` are compiled only, which is what they test. Two files run at a time, and beside
 * them one of those that wait a lot, whose words come last. With `--rerun-failed` the files that failed among the others
 * are run once more, one at a time: what fails again has failed, the rest is named.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const RERUN = '--rerun-failed';
const REPORTER = ['--test-reporter=spec', '--test-reporter-destination=stdout'];

/** A file that takes longer hangs; one that keeps a promise at its full size may take its time. */
const LONGEST_MS = process.env.CELERIAC_CAMPAIGN === undefined ? 300_000 : 3_600_000;

/** More than these are no accident. */
const MOST_RERUN = 2;

/**
 * Files that wait for servers, locks and timers for much of their time. One of them at a time runs beside the others, so that
 * no core is idle, and no core is crowded either: all of them together take about as long as half of the others.
 */
const WAITING = [
  'fault/broker-answers',
  'fault/failover',
  'fault/hostile-fleet',
  'fault/outbox',
  'fault/outbox-campaign',
  'fault/postgres-worker',
  'fault/process-one',
  'fault/schedules',
  'fault/shutdown',
  'fault/steps',
  'fault/waits-outage',
  'fault/worker-outage',
  'integration/autoscale',
  'integration/batches',
  'integration/canvas-watch',
  'integration/clocks',
  'integration/concurrency-limit',
  'integration/delivery',
  'integration/doctor',
  'integration/events',
  'integration/failures',
  'integration/fleet',
  'integration/follow',
  'integration/health',
  'integration/inspect',
  'integration/live-waits',
  'integration/process',
  'integration/rate-limit',
  'integration/redis-trouble',
  'integration/retries',
  'integration/revoke',
  'integration/schedules',
  'integration/waiting',
].map((name) => `${name}.test.js`);

process.chdir(ROOT);
const given = process.argv.slice(2);
const options = given.filter((word) => word.startsWith('-') && word !== RERUN);
const wanted = given.filter((word) => !word.startsWith('-'));
const suites = wanted.length === 0 ? folders('test') : wanted;

build();
const outputs = compileTests();
if (suites.includes('types')) for (const project of projectsIn('test/types')) tsc(project, '--noEmit');
await runTests(outputs);

function build() {
  run('npm', ['run', '--silent', 'build']);
  if (existsSync('examples/tsconfig.json')) tsc('examples/tsconfig.json');
}

/** @returns the folder each test project was compiled to */
function compileTests() {
  return projectsIn('test').map((project) => {
    const { compilerOptions } = JSON.parse(readFileSync(project, 'utf8'));
    const output = relative(ROOT, resolve('test', compilerOptions.outDir));
    rmSync(output, { recursive: true, force: true });
    tsc(project);
    return output;
  });
}

async function runTests(outputs) {
  const files = outputs.flatMap((folder) => suites.flatMap((suite) => testFiles(folder, suite)));
  if (files.length === 0) {
    if (suites.every((suite) => suite === 'types')) return;
    fail(`no tests match ${suites.join(' ')}; suites: ${folders('test').join(' ')}`);
  }
  const waiting = outputs.flatMap((folder) =>
    files.filter((file) => WAITING.includes(relative(folder, file))),
  );
  const busy = files.filter((file) => !waiting.includes(file));
  const lanes =
    busy.length === 0 || waiting.length === 0
      ? [runFiles(files, busy.length === 0 ? 1 : 2)]
      : [runFiles(busy, 2), runFiles(waiting, 1, 'pipe')];
  const ended = await Promise.all(lanes);
  for (const { words } of ended) if (words !== '') console.log(words);
  const failed = ended.flatMap((lane) => lane.failed);
  if (failed.length === 0) return;
  process.exitCode = 1;
  // A crowd of servers and processes on few cores: a failure is told apart from one of these by being alone.
  if (!given.includes(RERUN) || failed.length > MOST_RERUN) return;
  console.log(`\nOnce more, one at a time: ${failed.join(' ')}\n`);
  const { failed: again } = await runFiles(failed, 1);
  const passed = failed.filter((file) => !again.includes(file));
  if (passed.length > 0)
    console.log(`\nfailed among the others and passed alone, so to be mended: ${passed.join(' ')}`);
  if (again.length === 0) process.exitCode = 0;
}

/**
 * @param stdout where the words go; with `pipe` they are kept and returned
 * @returns the files with a failed test; all of them when the run ended badly for another reason
 */
async function runFiles(files, atATime, stdout = 'inherit') {
  const folder = mkdtempSync(join(tmpdir(), 'celeriac-test-'));
  const list = join(folder, 'failed');
  const reporters = [
    ...REPORTER,
    '--test-reporter=./scripts/failed-files.mjs',
    `--test-reporter-destination=${list}`,
  ];
  const limits = [`--test-concurrency=${atATime}`, `--test-timeout=${LONGEST_MS}`];
  const child = spawn(process.execPath, ['--test', ...limits, ...reporters, ...options, ...files], {
    stdio: ['inherit', stdout, 'inherit'],
  });
  let words = '';
  child.stdout?.setEncoding('utf8').on('data', (text) => {
    words += text;
  });
  const [status] = await once(child, 'close');
  const named = existsSync(list) ? readFileSync(list, 'utf8').split('\n').filter(Boolean) : [];
  rmSync(folder, { recursive: true });
  if (status === 0) return { words, failed: [] };
  const failed = files.filter((file) => named.some((name) => resolve(name) === resolve(file)));
  return { words, failed: failed.length === 0 ? files : failed };
}

/** The compiled files of a suite (`unit`), or of one source file (`test/unit/cli/worker/log.test.ts`). */
function testFiles(folder, suiteOrFile) {
  const path = join(folder, suiteOrFile.replace(/^test\//, '').replace(/\.ts$/, '.js'));
  if (!existsSync(path)) return [];
  if (path.endsWith('.js')) return [path];
  const files = readdirSync(path, { recursive: true, encoding: 'utf8' });
  return files
    .filter((file) => file.endsWith('.test.js'))
    .sort()
    .map((file) => join(path, file));
}

function folders(parent) {
  const entries = readdirSync(parent, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

function projectsIn(folder) {
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder).filter((name) => /^tsconfig.*\.json$/.test(name));
  return names.sort().map((name) => join(folder, name));
}

function tsc(project, ...flags) {
  run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', project, ...flags]);
}

function run(command, args) {
  const { status } = spawnSync(command, args, { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

function fail(message) {
  console.error(message);
  process.exit(2);
}
