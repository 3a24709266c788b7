/** `celeriac events`: lines in a pipe, JSON for programs, and a live page in a terminal that gets its terminal back. */
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { uniqueName, until, within } from '../support/app.js';
import { CLI_PATH } from '../support/cli.js';
import { terminals } from '../support/cli-terminals.js';
import { type RedisServer, startRedis } from '../support/redis.js';

const noPty = spawnSync('script', ['--version']).error === undefined ? false : 'script(1) is not installed';
const noTmux = spawnSync('tmux', ['-V']).error === undefined ? false : 'tmux is not installed';

describe('celeriac events', () => {
  let redis: RedisServer;
  before(async () => {
    redis = await startRedis();
  });
  after(() => redis.close());

  it('prints a line an event, or a JSON document a line, until it is interrupted', async (t) => {
    const { worker, start, run } = terminals(t, redis.url);
    const lines = start('events');
    const json = start('events', '--json');
    await worker('-n', 'one@here').printed(/ready/);
    for (const each of [lines, json]) await each.printed(/worker-heartbeat/);
    assert.equal((await run('call', 'fail')).code, 0);
    await lines.printed(/task-failed +fail\[.+\] after \S+: RangeError: no such report/);
    await json.printed(/"task-failed"/);
    for (const each of [lines, json]) {
      each.kill('SIGINT');
      assert.equal((await within(each.ended, 'the end')).code, 0);
    }
    const printed = (await json.ended).stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const ofTask = printed.filter((event) => event.name === 'fail');
    assert.deepEqual(
      ofTask.map(({ type }) => type),
      ['task-sent', 'task-received', 'task-started', 'task-failed'],
    );
  });

  it('ends with 69 when no broker answers', async (t) => {
    const { run } = terminals(t, 'redis://127.0.0.1:1/0');
    const { code, stderr } = await run('events');
    assert.equal(code, 69);
    assert.match(stderr, /127\.0\.0\.1:1/);
  });

  it('draws a live page in a terminal, and gives the terminal back on Ctrl-C', { skip: noPty }, async (t) => {
    const { worker, prefix } = terminals(t, redis.url);
    await worker('-n', 'one@here').printed(/ready/);
    const command = `stty cols 80 rows 24; ${process.execPath} ${CLI_PATH} events; echo "code $?"`;
    const env = { ...process.env, CELERIAC_BROKER_URL: redis.url, CELERIAC_PREFIX: prefix, TERM: 'xterm' };
    const child = spawn('script', ['-qefc', command, '/dev/null'], {
      env,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    t.after(() => child.kill('SIGKILL'));
    let screen = '';
    const shows = (pattern: RegExp) =>
      within(
        new Promise<void>((resolve) => {
          const look = () => pattern.test(screen) && resolve();
          child.stdout.on('data', look);
          look();
        }),
        `${pattern} on the screen`,
        60_000,
      );
    child.stdout.on('data', (text) => {
      screen += String(text);
    });
    await shows(/1 worker · 0 running.*[\s\S]*one@here +0\//);
    assert.ok(screen.includes('\u001b[?1049h\u001b[?25l'));
    child.stdin.write('\u0003');
    await shows(/code 0/);
    const left = screen.lastIndexOf('\u001b[?25h\u001b[?1049l');
    assert.ok(left > screen.lastIndexOf('\u001b[H'));
  });

  it('fits a terminal of 80 by 24, to the last column, and leaves it as it was', {
    skip: noTmux,
  }, async (t) => {
    const { worker, prefix, run } = terminals(t, redis.url);
    const socket = uniqueName();
    const tmux = (...args: string[]) =>
      execFileSync('tmux', ['-L', socket, ...args], {
        encoding: 'utf8',
        env: { ...process.env, CELERIAC_BROKER_URL: redis.url, CELERIAC_PREFIX: prefix },
      });
    t.after(() => tmux('kill-server'));
    tmux('-f', '/dev/null', 'new-session', '-d', '-x', '80', '-y', '24', 'sh');
    const lines = () => tmux('capture-pane', '-p').replace(/\n$/, '').split('\n');
    const shows = async (pattern: RegExp): Promise<string[]> => {
      let page: string[] = [];
      const there = () => {
        page = lines();
        return page.some((line) => pattern.test(line));
      };
      await until(there, `${pattern} on the screen`, 60_000);
      return page;
    };
    await worker('-n', 'one@here', '-c', '4').printed(/ready/);
    tmux('send-keys', `echo before; ${process.execPath} ${CLI_PATH} events; echo code $?`, 'Enter');
    await shows(/^one@here +0\/4 +0 +[\d.]+ +celeriac$/);
    assert.equal((await run('call', 'hang')).code, 0);
    assert.equal((await run('call', 'fail', '--task-id', `an-id-${'x'.repeat(60)}`)).code, 0);
    await shows(/task-failed/);
    const page = await shows(/^hang +\d/);
    assert.equal(page.length, 24);
    assert(
      page.every((line) => line.length <= 80),
      page.join('\n'),
    );
    assert.match(page[0] ?? '', /^celeriac events · cli-\S+ · 1 worker · 1 running +\d\d:\d\d:\d\d$/);
    assert.match(page[1] ?? '', /^[\d.]+\/s {2}sent 2 {2}ok 0 {2}failed 1 /);
    assert(page.some((line) => /^\d\d:\d\d:\d\d {2}fail +RangeError: no such report$/.test(line)));
    const cut = page.find((line) => line.includes('task-failed')) ?? '';
    assert.match(cut, /^\d\d:\d\d:\d\d {2}task-failed {7}fail\[an-id-x+…$/);
    assert.equal(cut.length, 80);
    // What is selected is what the keys act on.
    tmux('send-keys', 'Tab', 't');
    await shows(/^Terminate hang \S+\? \[y\/N\]$/);
    tmux('send-keys', 'y');
    await shows(/task-revoked +hang/);
    tmux('send-keys', 'q');
    const left = await shows(/^code 0$/);
    assert(left.includes('before') && !left.some((line) => line.includes('task-failed')), left.join('\n'));
  });
});
