/** Two terminals in one project folder, on a prefix of their own: a worker in one, commands in the other. */
import { randomUUID } from 'node:crypto';
import type { TestContext } from 'node:test';
import { type CliRun, project, type RunningCli, runCli, startCli } from './cli.js';
import { TASKS } from './cli-project.js';

export interface Terminals {
  readonly prefix: string;
  /** `celeriac worker` with these flags; it is killed after the test if it still runs. */
  worker(...args: string[]): RunningCli;
  /** A command to its end. */
  run(...args: string[]): Promise<CliRun>;
  /** A command that goes on. */
  start(...args: string[]): RunningCli;
  /** What a command prints with `--json`. */
  // biome-ignore lint/suspicious/noExplicitAny: JSON that the test itself asserts on
  json(...args: string[]): Promise<any>;
}

export function terminals(t: TestContext, broker: string): Terminals {
  const cwd = project(t, TASKS);
  const prefix = `cli-${randomUUID()}`;
  const env = { CELERIAC_BROKER_URL: broker, CELERIAC_PREFIX: prefix, CELERIAC_APP: 'tasks' };
  return {
    prefix,
    worker: (...args) => startCli(t, ['worker', ...args], { cwd, env }),
    run: (...args) => runCli(args, { cwd, env }),
    start: (...args) => startCli(t, args, { cwd, env }),
    json: async (...args) => JSON.parse((await runCli([...args, '--json'], { cwd, env })).stdout),
  };
}
