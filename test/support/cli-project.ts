/** The project that tests of the command line run: one service, tasks that report, sleep, fail and count. */
import type { ProjectFiles } from './cli.js';

export const TASKS: ProjectFiles = {
  'package.json': '{ "type": "module" }',
  'tsconfig.json': '{ "compilerOptions": { "experimentalDecorators": true, "emitDecoratorMetadata": true } }',
  'src/tasks.ts': `
import { setTimeout as sleep } from 'node:timers/promises';
import { Celeriac, Task, TaskService } from 'celeriac';

console.log('a module that talks while it loads');
export const app = new Celeriac('reports');

export class ReportService extends TaskService {
  #made = 0;

  @Task('report')
  async report(id: string): Promise<string> {
    await this.updateState('PROGRESS', { id });
    await sleep(100);
    return \`Report \${id} generated, \${++this.#made} so far.\`;
  }

  @Task('sleep')
  async rest(ms: number): Promise<number> {
    await sleep(ms);
    return ms;
  }

  @Task('fail', { maxRetries: 0 })
  async fail(): Promise<void> {
    throw new RangeError('no such report');
  }

  @Task('hang')
  async hang(): Promise<void> {
    this.log.info({}, 'hanging');
    await sleep(3_600_000);
  }
}

export const reports = app.register(new ReportService());
app.onCommand('greet', (args: { name?: string }, { node }) => {
  if (args.name === undefined) throw new RangeError('greet whom?');
  return \`\${args.name}, from \${node}\`;
});
`,
};
