/** The handles of batches: a call brings one entry of the list, and gets one entry of what the code returns. */
import {
  type AsyncResult,
  type Batch,
  BatchError,
  Celeriac,
  type EagerResult,
  Task,
  TaskService,
} from 'celeriac';
import { type Equal, expect } from './expect.js';

interface Doc {
  title: string;
}

interface Indexed {
  id: number;
}

class Search extends TaskService {
  @Task('index', { batch: { size: 100, wait: '2s' } })
  async index(docs: Doc[]): Promise<Indexed[]> {
    return docs.map((_, id) => ({ id }));
  }

  @Task('note', { batch: { size: 100, wait: '2s' } })
  async note(docs: Doc[]): Promise<void> {
    if (docs.length > 1) throw new BatchError(new Map([[0, new Error('no')]]));
  }

  @Task('exact', { batch: { size: 100, wait: '2s' } })
  exact(docs: Batch<Doc>): Indexed[] {
    const all: Doc[] = docs;
    const members = this.request.batch ?? [];
    return all.map((_, id) => ({ id: id + members.length }));
  }

  @Task('plain')
  async sum(numbers: number[]): Promise<number> {
    return numbers.length;
  }

  @Task('pair')
  async pair(numbers: readonly [number, number]): Promise<void> {
    void numbers;
  }
}

const app = new Celeriac('types');
const { index, note, exact, sum, pair } = app.register(new Search());
const sent = index.delay({ title: 'a' });
expect<Equal<typeof sent, Promise<AsyncResult<Indexed>>>>();
const noted = note.delay({ title: 'a' });
expect<Equal<typeof noted, Promise<AsyncResult<void>>>>();
const precise = exact.delay({ title: 'a' });
expect<Equal<typeof precise, Promise<AsyncResult<Indexed>>>>();
const eager = exact.apply([{ title: 'a' }]);
expect<Equal<typeof eager, Promise<EagerResult<Indexed>>>>();
// A direct call is a plain one.
const direct = new Search().exact([{ title: 'a' }]);
expect<Equal<typeof direct, Indexed[]>>();

const counted = app.task('count', { batch: { size: 10, wait: 5 } }, async (docs: Doc[]) =>
  docs.map(({ title }) => title.length),
);
const counting = counted.delay({ title: 'a' });
expect<Equal<typeof counting, Promise<AsyncResult<number>>>>();
const silent = app.task('silent', { batch: { size: 10, wait: 5 } }, function (docs: Doc[]) {
  this.log.info({ batch: this.request.batch?.length }, `${docs.length}`);
});
const nothing = silent.delay({ title: 'a' });
expect<Equal<typeof nothing, Promise<AsyncResult<void>>>>();
const unbatched = app.task('unbatched', { batch: null }, (docs: Doc[]) => docs.length);
const whole = unbatched.delay([{ title: 'a' }]);
expect<Equal<typeof whole, Promise<AsyncResult<number>>>>();

export async function wrong(): Promise<void> {
  // @ts-expect-error neither an entry nor a list of them
  await index.delay(1);
  // @ts-expect-error one entry, not the list
  await exact.delay([{ title: 'a' }]);
  // @ts-expect-error one entry, not the list
  await counted.delay([{ title: 'a' }]);
  // @ts-expect-error one entry for each call
  await counted.delay({ title: 'a' }, { title: 'b' });
  // @ts-expect-error no batch: the code gives no list
  await sum.delay(1);
  // @ts-expect-error no batch: the list has a length
  await pair.delay(1);
  // @ts-expect-error both belong to it
  app.task('half', { batch: { size: 1 } }, () => undefined);
  // @ts-expect-error a map of positions
  throw new BatchError([new Error('no')]);
}
