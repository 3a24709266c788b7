/** A script that imports celeriac, makes an app with tasks, and does nothing with it: tells what that opened and loaded. */
import { createRequire } from 'node:module';
import { Celeriac, Task, TaskService } from 'celeriac';

class Service extends TaskService {
  @Task()
  run(_text: string): void {}
}
const app = new Celeriac('idle', { broker: process.argv[2] ?? '' });
app.register(new Service());
app.task('add', (a: number, b: number) => a + b);
app.result('some-id');
const modules = Object.keys(createRequire(import.meta.url).cache);
console.log(
  JSON.stringify({
    resources: process
      .getActiveResourcesInfo()
      .filter((kind) => !/^(Pipe|TTY|FSReq|Immediate|CloseReq)/.test(kind)),
    heavy: modules.filter((path) =>
      /node_modules\/(pg|class-validator|class-transformer|@electric-sql|commander|@swc)\//.test(path),
    ),
  }),
);
