/**
 * A worker that gets killed: its tasks tell when they start, and then wait until somebody says "finish". Arguments:
 * broker, prefix, the worker's name, app options, options of the task "hold". Its task "kill" takes the process along.
 */
import { Celeriac, type CeleriacOptions, currentTask, type TaskOptions } from 'celeriac';

const [broker = '', prefix = '', name = '', appOptions = '{}', taskOptions = '{}'] = process.argv.slice(2);
const app = new Celeriac('doomed', { broker, prefix, ...(JSON.parse(appOptions) as CeleriacOptions) });

let finish: () => void = () => undefined;
const finished = new Promise<void>((resolve) => {
  finish = resolve;
});
process.on('message', () => finish());

app.task('hold', JSON.parse(taskOptions) as TaskOptions, async (what: string) => {
  const { id, retries, deliveries } = currentTask()?.request ?? {};
  process.send?.({ started: what, id, retries, deliveries });
  await finished;
  return `${what} by ${name}`;
});

app.task('kill', async (what: string) => {
  process.send?.({ started: what });
  await finished;
  // Before anything that has ended beside it is written.
  process.kill(process.pid, 'SIGKILL');
});

await app.worker({ name, concurrency: 5 }).start();
process.send?.({ ready: true });
