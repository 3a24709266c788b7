/** `celeriac web`: where it serves, whom it lets in, and how it ends. */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { describe, it } from 'node:test';
import { project, type RunningCli, runCli, startCli } from '../support/cli.js';

const ENV = { CELERIAC_PREFIX: 'paper', CELERIAC_BROKER_URL: 'memory://' };

async function urlOf(web: RunningCli): Promise<string> {
  await web.printed(/celeriac web: http:\S+/);
  return /celeriac web: (http:\S+)/.exec(web.output)?.[1] ?? assert.fail(web.output);
}

/** The status under another `Host`, which `fetch` does not let a program set. */
function statusUnder(host: string, url: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request(url, { headers: { host } }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    })
      .on('error', reject)
      .end();
  });
}

describe('celeriac web', () => {
  it('serves this machine, under its own names only, until it is stopped', async (t) => {
    const web = startCli(t, ['web', '--port', '0', '--base-path', '/queues', '--read-only'], { env: ENV });
    const url = await urlOf(web);
    assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/queues\/$/);
    const page = await fetch(url);
    assert.match(await page.text(), /<base href="\/queues\/">/);
    const overview = (await (await fetch(`${url}api/v1/overview`)).json()) as Record<string, unknown>;
    assert.deepEqual([overview.app, overview.broker, overview.readOnly], ['paper', 'memory://', true]);
    assert.equal((await fetch(`${url}api/v1/queues/x/pause`, { method: 'POST' })).status, 403);
    const { port } = new URL(url);
    assert.equal(await statusUnder(`localhost:${port}`, url), 200);
    assert.equal(await statusUnder(`evil.example:${port}`, url), 403);
    const events = await fetch(`${url}api/v1/events`);
    assert.equal(events.status, 200);
    web.kill('SIGTERM');
    const { code, stderr } = await web.ended;
    assert.deepEqual([code, stderr], [0, '']);
    // Cut off by the end, or closed before it.
    await events.text().catch(() => undefined);
  });

  it('asks for a login where one is set, by flags, a file or the environment', async (t) => {
    const folder = project(t, { logins: '# who\nann:a:b\n\n' }, []);
    const web = startCli(t, ['web', '--port', '0', '--auth-file', 'logins', '--auth', 'bob:c'], {
      env: { ...ENV, CELERIAC_WEB_AUTH: 'eve:d' },
      cwd: folder,
    });
    const url = await urlOf(web);
    const status = async (pair: string) =>
      (await fetch(url, { headers: { authorization: `Basic ${Buffer.from(pair).toString('base64')}` } }))
        .status;
    const nobody = await fetch(url);
    assert.deepEqual([nobody.status, nobody.headers.get('www-authenticate')?.slice(0, 5)], [401, 'Basic']);
    assert.deepEqual(
      [await status('ann:a:b'), await status('bob:c'), await status('eve:d')],
      [200, 200, 401],
    );
    web.kill('SIGINT');
    assert.equal((await web.ended).code, 0);
  });

  it('is not there for others without a login, nor with wrong flags', async () => {
    for (const [args, message] of [
      [
        ['--host', '0.0.0.0'],
        /--host 0\.0\.0\.0 can be reached from other machines, and there is no login\. Add --auth/,
      ],
      [['--host', '::'], /there is no login/],
      [['--auth', 'secret'], /--auth: the 1st one is not user:password/],
      [['--auth-file', '/nowhere'], /--auth-file: \/nowhere cannot be read/],
      [['--base-path', 'queues'], /basePath "queues" is no path/],
      [['--history', 'disk'], /history "disk" is neither 'memory' nor/],
      [['--port', 'x'], /--port: "x" must be a whole number/],
    ] as const) {
      const { code, stderr } = await runCli(['web', ...args], { env: ENV });
      assert.equal(code, 2, args.join(' '));
      assert.match(stderr, message);
      assert(!stderr.includes('secret'));
    }
  });
});
