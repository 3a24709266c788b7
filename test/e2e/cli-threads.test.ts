/** Threads as users of the command line meet them: a TypeScript project, `-P threads`, no word about modules. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { type ProjectFiles, project, runCli, startCli } from '../support/cli.js';
import { type RedisServer, startRedis } from '../support/redis.js';

const TASKS: ProjectFiles = {
  'package.json': '{ "type": "module" }',
  'tsconfig.json': '{ "compilerOptions": { "experimentalDecorators": true, "emitDecoratorMetadata": true } }',
  'src/order.ts': `
import { IsInt } from 'class-validator';

export class Order {
  @IsInt()
  amount!: number;
}
`,
  'src/tasks.ts': `
import { isMainThread } from 'node:worker_threads';
import { Celeriac, Task, TaskService } from 'celeriac';
import { Order } from './order.ts';

export const app = new Celeriac('threads');

export class Cpu extends TaskService {
  @Task('buy')
  async buy(order: Order): Promise<string> {
    const kind: string = order instanceof Order ? 'an Order' : 'plain data';
    return \`\${kind} in \${isMainThread ? 'the worker' : 'a thread'}\`;
  }

  @Task('spin', { timeLimit: '1s', pool: 'threads' })
  async spin(): Promise<never> {
    for (;;) {}
  }
}

export const cpu = app.register(new Cpu());
`,
};

const PROGRAM = `
import { isMainThread } from 'node:worker_threads';
import { Celeriac } from 'celeriac';

export const app = new Celeriac('program');
const where = app.task('where', { pool: 'threads' }, async (): Promise<string> =>
  isMainThread ? 'the worker' : 'a thread',
);
await app.worker({ module: import.meta.url }).start();
console.log(await (await where.delay()).get());
await app.close();
`;

/** Compiling takes its time on a busy machine. */
const PATIENCE = { timeoutMs: 60_000 };

let redis: RedisServer;
before(async () => {
  redis = await startRedis();
});
after(() => redis.close());

function terminals(t: TestContext, dependencies: readonly string[]) {
  const cwd = project(t, TASKS, [...dependencies, 'reflect-metadata', 'class-validator']);
  const prefix = `cli-${randomUUID()}`;
  const env = { CELERIAC_BROKER_URL: redis.url, CELERIAC_PREFIX: prefix, CELERIAC_APP: 'tasks' };
  return {
    worker: (...args: string[]) => startCli(t, ['worker', ...args], { cwd, env }),
    run: (...args: string[]) => runCli(args, { cwd, env }),
  };
}

describe('celeriac worker -P threads', { timeout: 300_000 }, () => {
  it('runs TypeScript in threads, with decorator metadata, and exits 0 on SIGTERM', async (t) => {
    const { worker, run } = terminals(t, ['@swc/core']);
    const running = worker(
      '-P',
      'threads',
      '-c',
      '2',
      '--max-tasks-per-child',
      '1',
      '--max-memory-per-child',
      '1gb',
    );
    await running.printed(/ready/, PATIENCE);
    assert.match(running.output, /concurrency +2 \(threads\)/);
    for (let i = 0; i < 2; i++) {
      const bought = await run('call', 'buy', '-a', '[{"amount":1}]', '--wait');
      assert.equal(bought.stdout, 'an Order in a thread\n', bought.stderr);
    }
    running.kill('SIGTERM');
    assert.equal((await running.ended).code, 0);
  });

  it('knows the module by itself for a single task that asks for a thread', async (t) => {
    const { worker, run } = terminals(t, ['@swc/core']);
    const running = worker('-c', '1');
    await running.printed(/ready/, PATIENCE);
    const spun = await run('call', 'spin', '--wait');
    assert.equal(spun.code, 1);
    assert.match(spun.stderr, /TimeLimitExceeded/);
    assert.equal(
      (await run('call', 'buy', '-a', '[{"amount":1}]', '--wait')).stdout,
      'an Order in the worker\n',
    );
  });

  it('runs TypeScript in threads through tsx as well', async (t) => {
    const { worker, run } = terminals(t, ['tsx']);
    const running = worker('-P', 'threads', '-c', '1');
    await running.printed(/ready/, PATIENCE);
    const bought = await run('call', 'buy', '-a', '[{"amount":1}]', '--wait');
    assert.equal(bought.stdout, 'plain data in a thread\n', bought.stderr);
  });

  it('has a counterpart in a program that tsx runs: its threads load TypeScript too', async (t) => {
    const cwd = project(t, { ...TASKS, 'src/program.ts': PROGRAM }, ['tsx']);
    const env = { ...process.env, CELERIAC_BROKER_URL: redis.url, CELERIAC_PREFIX: `tsx-${randomUUID()}` };
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', 'src/program.ts'], {
      cwd,
      env,
      timeout: PATIENCE.timeoutMs,
    });
    assert.equal(stdout, 'a thread\n');
  });
});
