/** `--follow` prints the chunks of a task as they come. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { project, runCli, startCli } from '../support/cli.js';
import { startRedis } from '../support/redis.js';

const TASKS = {
  'package.json': '{ "type": "module" }',
  'tasks.js': `
import { Celeriac } from 'celeriac';
export const app = new Celeriac('streams');
app.task('say', async function* (words) {
  for (const word of words) yield word;
  return words.length;
});
app.task('breaks', { maxRetries: 0 }, async function* () {
  yield 'so far\\n';
  throw new RangeError('no further');
});
app.task('plain', () => 'a value');
`,
};

describe('celeriac call and result --follow', () => {
  it('print text as it is, other chunks as lines of JSON, and end with the task', async (t) => {
    const redis = await startRedis();
    t.after(() => redis.close());
    const cwd = project(t, TASKS);
    const env = { CELERIAC_BROKER_URL: redis.url, CELERIAC_APP: 'tasks' };
    const run = (...args: string[]) => runCli(args, { cwd, env });
    const worker = startCli(t, ['worker'], { cwd, env });
    await worker.printed(/ready/);

    const words = JSON.stringify([['Hello ', 'world', { n: 1 }, 'end']]);
    const said = await run('call', 'say', '--args', words, '--follow');
    assert.deepEqual([said.code, said.stdout], [0, 'Hello world\n{"n":1}\nend']);
    assert.match(said.stderr, /SUCCESS/);
    const id = /say (\S+)/.exec(said.stderr)?.[1] ?? '';
    const again = await run('result', id, '--follow');
    assert.deepEqual([again.code, again.stdout], [0, said.stdout]);
    const lines = await run('result', id, '--follow', '--json');
    assert.equal(lines.stdout, '"Hello "\n"world"\n{"n":1}\n"end"\n');

    const broken = await run('call', 'breaks', '--follow');
    assert.deepEqual([broken.code, broken.stdout], [1, 'so far\n']);
    assert.match(broken.stderr, /no further/);
    assert.equal((await run('call', 'plain', '--follow')).stdout, 'a value\n');
  });
});
