/** What `celeriac call` remarks about a task that may never run; it is sent all the same. */
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { project, runCli } from '../support/cli.js';
import { terminals as openTerminals } from '../support/cli-terminals.js';
import { type RedisServer, startRedis } from '../support/redis.js';

let redis: RedisServer;
// A redis-server that is waited for holds no event loop open, and between two commands nothing else does.
const alive = setInterval(() => undefined, 1000);
before(async () => {
  redis = await startRedis();
});
after(() => redis.close().finally(() => clearInterval(alive)));

const terminals = (t: TestContext) => openTerminals(t, redis.url);

describe('celeriac call', () => {
  it('sends a name nobody knows, and says on stderr that nobody does and which is near', async (t) => {
    const { run, worker, prefix } = terminals(t);
    const bare = { cwd: project(t, {}), env: { CELERIAC_BROKER_URL: redis.url, CELERIAC_PREFIX: prefix } };
    const alone = await run('call', 'reprot');
    assert.match(alone.stdout, /^\S+\n$/);
    assert.match(
      alone.stderr,
      /celeriac: tasks registers no task "reprot", and no worker is online\. Did you mean "report"\? It was sent all the same\.\n/,
    );
    // Nobody is there to know any name.
    assert.doesNotMatch((await runCli(['call', 'reprot', '-q', 'x'], bare)).stderr, /no task|a task/);
    await worker('-n', 'w@test').printed(/ready/);
    const two = await run('call', 'reprot', '-q', 'nobody', '--json');
    assert.match(
      two.stderr,
      /no task "reprot", and neither does any worker that is online\. Did you mean "report"\?/,
    );
    assert.equal(typeof JSON.parse(two.stdout), 'object');
    const without = await runCli(['call', 'reprot', '-q', 'nobody'], bare);
    assert.match(without.stderr, /no worker that is online knows a task "reprot"\. Did you mean "report"\?/);
    const known = await run('call', 'report', '-q', 'nobody');
    const knownWithout = await runCli(['call', 'report', '-q', 'nobody'], bare);
    for (const { stderr } of [known, knownWithout]) assert.doesNotMatch(stderr, /celeriac:/);
    const codes = [alone, two, without, known, knownWithout].map(({ code }) => code);
    assert.deepEqual(codes, [0, 0, 0, 0, 0]);
  });

  it('--wait says on stderr after a while that no worker takes from the queue, and waits on', async (t) => {
    const { start, worker } = terminals(t);
    const waiting = start('call', 'report', '-a', '["7"]', '--wait');
    await waiting.printed(
      /celeriac: no worker that is online takes from the queue "celeriac"; still waiting\./,
    );
    await worker('-n', 'w@test').printed(/ready/);
    const { code, stdout } = await waiting.ended;
    assert.equal(code, 0);
    assert.match(stdout, /^Report 7 generated/);
  });
});
