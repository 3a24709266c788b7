/** Handles and results carry the type of a task's chunks. */
import { type AsyncResult, Celeriac, type EagerResult, Task, TaskService } from 'celeriac';
import { type Equal, expect } from './expect.js';

interface Summary {
  words: number;
}

class Writer extends TaskService {
  @Task('write')
  async *write(topic: string): AsyncGenerator<string, Summary> {
    yield topic;
    return { words: 1 };
  }

  @Task('plain')
  async plain(): Promise<number> {
    await this.emit({ any: 'chunk' });
    return 1;
  }
}

const app = new Celeriac('types');
const { write, plain } = app.register(new Writer());
const sent = write.delay('hops');
expect<Equal<typeof sent, Promise<AsyncResult<Summary, string>>>>();
const signed = write.s('hops').delay();
expect<Equal<typeof signed, Promise<AsyncResult<Summary, string>>>>();
const eager = write.apply(['hops']);
expect<Equal<typeof eager, Promise<EagerResult<Summary, string>>>>();
const ordinary = plain.delay();
expect<Equal<typeof ordinary, Promise<AsyncResult<number, unknown>>>>();
expect<Equal<AsyncResult<number>, AsyncResult<number, unknown>>>();

const counted = app.task('count', async function* (n: number) {
  for (let i = 0; i < n; i++) yield i;
  return 'done' as const;
});
const counting = counted.delay(1);
expect<Equal<typeof counting, Promise<AsyncResult<'done', number>>>>();

export async function read(result: AsyncResult<Summary, string>): Promise<void> {
  for await (const chunk of result.stream({ from: 3, restarts: 'follow' }))
    expect<Equal<typeof chunk, string>>();
  for await (const { index, attempt, at, chunk } of result.stream({ from: 'oldest' }).entries()) {
    expect<Equal<[typeof index, typeof attempt, typeof at, typeof chunk], [number, number, Date, string]>>();
  }
  // A result with chunks is a result.
  const plainly: AsyncResult<Summary> = result;
  void plainly;
  // @ts-expect-error no such option
  result.stream({ since: 3 });
  const again = app.result<Summary, string>(result.id);
  expect<Equal<typeof again, AsyncResult<Summary, string>>>();
}
