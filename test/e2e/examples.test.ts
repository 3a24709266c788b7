import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { openPage } from '../support/browser.js';
import { CLI_PATH, startCli } from '../support/cli.js';
import { eventsOf, type SentEvent } from '../support/follow-server.js';
import { type RedisServer, startRedis } from '../support/redis.js';
import { freePort } from '../support/servers.js';

const ROOT = dirname(dirname(dirname(CLI_PATH)));
const REPORT = join(ROOT, 'build/examples/01-report/main.js');
const NESTJS = join(ROOT, 'build/examples/03-nestjs/main.js');
const APPROVAL = join(ROOT, 'build/examples/06-approval/order.js');
const APPROVE = join(ROOT, 'build/examples/06-approval/approve.js');
const TESTING = join(ROOT, 'build/examples/04-testing/reminders.test.js');
const WEB_CLIENT = join(ROOT, 'build/examples/02-web-client/server.js');
const STREAMING = join(ROOT, 'build/examples/05-streaming');
const WORKER_FOLDER = join(ROOT, 'examples/01-report');

describe('examples/01-report', () => {
  it('runs on the embedded broker in one process', async () => {
    const { code, lines, stderr } = await runProgram(REPORT, ['7', '8'], {});
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
    assert.equal(lines[0], 'celeriac: starting the embedded broker and a worker in this process');
    for (const id of ['7', '8']) assertReport(lines, id);
  });
});

describe('examples/03-nestjs', () => {
  it('runs on the embedded broker, and stops by itself', async () => {
    const { code, lines, stderr } = await runProgram(NESTJS, [], {});
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
    assert.deepEqual(lines, ['january: 245', 'february: 100', 'closed']);
  });
});

describe('examples/06-approval', () => {
  it('runs on the embedded broker in one process', async () => {
    const { code, lines, stderr } = await runProgram(APPROVAL, ['7'], {});
    assert.deepEqual({ code, stderr: stderr.replace(/^.*charged.*\n(.*\n)*/m, '') }, { code: 0, stderr: '' });
    assert.match(lines.join('\n'), /WAITING \{"kind":"wait","name":"approval",.*\n\{ accepted: true \}/);
    assert.equal(lines.at(-1), 'order 7: shipped, approved by ada');
  });
});

describe('examples/04-testing', () => {
  it('passes, without a broker', async () => {
    const { code, lines } = await runProgram('--test', ['--test-reporter=tap', TESTING], {});
    assert.equal(code, 0, lines.join('\n'));
    const passed = lines
      .map((line) => /^\s+ok \d+ - (.*)$/.exec(line)?.[1])
      .filter((name) => name !== undefined);
    assert.deepEqual(passed.slice(0, 4), [
      'are planned for tomorrow',
      'are sent a day later, and not before',
      'are tried again when the mail server is busy',
      'run at the call where only their effect matters',
    ]);
  });
});

describe('examples/05-streaming', () => {
  it('shows words in the terminal while they are written', async () => {
    const { code, lines, stderr } = await runProgram(join(STREAMING, 'main.js'), ['cheese'], {});
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
    assert.match(lines[0] ?? '', /^Nobody knows who first thought of cheese\. .* while they watched\.$/);
    assert.equal(lines[1], `${lines[0]?.split(' ').length} words about cheese`);
  });

  it('serves them to a browser, each once, also after a reload and after a lost connection', async (t) => {
    const base = await startServer(t, undefined, join(STREAMING, 'server.js'));
    const page = await openPage(t, base);
    await page.fill('input[name=topic]', 'tea');
    await page.click('button');
    const text = page.locator('#text');
    await text.filter({ hasText: 'Nobody knows who first thought of tea.' }).waitFor();
    await page.reload();
    await page.locator('#status').filter({ hasText: 'words' }).waitFor({ timeout: 60_000 });
    const shown = (await text.textContent()) ?? '';
    assert.match(shown, /^Nobody knows who first thought of tea\. .* while they watched\.$/);
    const id = new URL(page.url()).hash.slice(1);
    const rest = await fetch(`${base}/texts/${id}/words`, { headers: { 'last-event-id': '3' } });
    const events = (await rest.text()).trim().split('\n\n');
    assert.match(events[0] ?? '', /^id: 4\nevent: word\ndata: "thought "$/);
    assert.match(events.at(-1) ?? '', /^event: end\ndata: \{"topic":"tea"/);
    assert.equal((await fetch(`${base}/texts/nobody/words`)).status, 404);
  });
});

describe('the examples on Redis, with a worker of the command line', () => {
  let redis: RedisServer;
  before(async () => {
    redis = await startRedis();
  });
  after(() => redis.close());

  it('runs 01-report unchanged', async (t) => {
    await startWorker(t, redis.url);
    const { code, lines, stderr } = await runProgram(REPORT, [], { CELERIAC_BROKER_URL: redis.url });
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
    assert.equal(lines[0], 'celeriac: calling a worker over the broker (celeriac -A tasks worker)');
    for (const id of ['41', '42', '43']) assertReport(lines, id);
  });

  it('runs 03-nestjs unchanged', async () => {
    const { code, lines, stderr } = await runProgram(NESTJS, [], { CELERIAC_BROKER_URL: redis.url });
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
    assert.deepEqual(lines, ['january: 245', 'february: 100', 'closed']);
  });

  it('approves an order of 06-approval from another process', async (t) => {
    const env = { CELERIAC_BROKER_URL: redis.url };
    const worker = startCli(t, ['worker', '-A', 'orders', '-c', '1'], {
      cwd: join(ROOT, 'examples/06-approval'),
      env,
    });
    await worker.printed(/ready/);
    const order = spawn(process.execPath, [APPROVAL, '9'], { env: { ...process.env, ...env } });
    t.after(() => order.kill());
    let output = '';
    const asked = new Promise<string>((resolve) => {
      order.stdout.on('data', (text) => {
        output += String(text);
        const id = /approve\.js (\S+) ada/.exec(output)?.[1];
        if (id !== undefined) resolve(id);
      });
    });
    // It may end before the program that answers it.
    const closed = once(order, 'close');
    const answer = await runProgram(APPROVE, [await asked, 'eve', 'no'], env);
    assert.deepEqual(answer.lines, ['{ accepted: true }']);
    await closed;
    assert.match(output, /order 9: refunded \(eve\)\n$/);
  });

  it('serves 02-web-client, which follows a task over HTTP', async (t) => {
    await startWorker(t, redis.url);
    const base = await startServer(t, redis.url);
    const sent = await fetch(`${base}/reports/42`, { method: 'POST' });
    assert.equal(sent.status, 202);
    const { follow } = (await sent.json()) as { follow: string };

    const events: SentEvent[] = [];
    for await (const event of eventsOf(await fetch(base + follow))) events.push(event);
    const states = new Set(events.map(({ data }) => data.state));
    assert.ok(states.has('PROGRESS'), `states seen: ${[...states].join(' ')}`);
    const value = 'Report 42 generated successfully!';
    assert.deepEqual(events.at(-1), { event: 'end', id: 'end', data: { state: 'SUCCESS', value } });
    assert.equal((await fetch(`${base}/follow/nobody`)).status, 403);
    assert.equal((await fetch(`${base}/tasks`)).status, 404);
  });

  it('shows a task of 02-web-client in a browser while it runs, also after a reload', async (t) => {
    await startWorker(t, redis.url);
    const base = await startServer(t, redis.url);
    const page = await openPage(t, base);
    await page.fill('input[name=id]', '77');
    await page.click('button');
    const status = page.locator('#status');
    await status.filter({ hasText: 'collecting orders' }).waitFor();
    assert.equal(await page.locator('progress').getAttribute('max'), '20');
    await page.reload();
    await status.filter({ hasText: 'Report 77 generated successfully!' }).waitFor({ timeout: 60_000 });
    assert.equal(await status.getAttribute('data-state'), 'SUCCESS');
    await page.goto(`${base}/#/follow/nobody`);
    await status.filter({ hasText: 'This link is not valid' }).waitFor();
    assert.equal(await status.getAttribute('data-state'), 'FAILURE');
  });
});

/** The lines of one report: its stages in order (a burst may coalesce), then its result. */
function assertReport(lines: readonly string[], id: string): void {
  const own = lines.filter((line) => line.startsWith(`report ${id}:`) || line.startsWith(`Report ${id} `));
  const expected = [
    new RegExp(`^report ${id}: collecting orders \\(\\d+/20\\)$`),
    new RegExp(`^report ${id}: adding up sales \\(\\d+/20\\)$`),
    new RegExp(`^report ${id}: drawing charts \\(\\d+/20\\)$`),
    new RegExp(`^report ${id}: laying out pages \\(\\d+/20\\)$`),
    new RegExp(`^Report ${id} generated successfully!$`),
  ];
  const matched = own.map((line) => expected.findIndex((pattern) => pattern.test(line)));
  assert.deepEqual(matched, [...new Set(matched)].sort(), own.join('\n'));
  assert.ok(!matched.includes(-1), own.join('\n'));
  assert.deepEqual(matched.slice(-2), [3, 4], own.join('\n'));
}

async function startWorker(t: TestContext, url: string): Promise<void> {
  const args = ['-A', 'tasks', 'worker', '--loglevel=info', '-c', '4'];
  const worker = startCli(t, args, { cwd: WORKER_FOLDER, env: { CELERIAC_BROKER_URL: url } });
  await worker.printed(/ready/);
}

async function startServer(t: TestContext, url: string | undefined, file = WEB_CLIENT): Promise<string> {
  const port = await freePort();
  const broker = url === undefined ? undefined : { CELERIAC_BROKER_URL: url };
  const server = spawnProgram(file, [], { ...broker, PORT: String(port) });
  t.after(async () => {
    if (server.exitCode !== null) return;
    server.kill('SIGTERM');
    assert.deepEqual(await once(server, 'exit'), [0, null]);
  });
  assert.ok(server.stdout);
  await once(server.stdout, 'data');
  return `http://127.0.0.1:${port}`;
}

async function runProgram(file: string, args: readonly string[], env: Record<string, string>) {
  const child = spawnProgram(file, args, env);
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk) => {
    stdout += String(chunk);
  });
  child.stderr?.on('data', (chunk) => {
    stderr += String(chunk);
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stderr, lines: stdout.trim().split('\n') };
}

function spawnProgram(file: string, args: readonly string[], env: Record<string, string>): ChildProcess {
  const clean = Object.entries(process.env).filter(
    ([name]) => !/^(CELERIAC_|NODE_OPTIONS$|FORCE_COLOR$|NODE_TEST_CONTEXT$)/.test(name),
  );
  return spawn(process.execPath, [file, ...args], {
    env: { ...Object.fromEntries(clean), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}
