/**
 * celeriac, used as its documentation says: a service with one task, handles on the calling side, a worker in process.
 * Defaults throughout; silent, because raw BullMQ logs nothing.
 */
import { Celeriac, type Chain, chain, chord, type Signature, Task, TaskService } from 'celeriac';
import type { BenchTask, Driver } from './driver.js';

const SILENT = { debug() {}, info() {}, warn: console.error, error: console.error };

class BenchService extends TaskService {
  readonly #task: BenchTask;

  constructor(task: BenchTask) {
    super();
    this.#task = task;
  }

  @Task('noop')
  async noop(text: string): Promise<number> {
    return this.#task(text);
  }

  @Task('progress')
  async progress(updates: number): Promise<number> {
    for (let done = 0; done < updates; done++) await this.updateState('PROGRESS', { done, of: updates });
    return updates;
  }

  @Task('total')
  async total(values: number[]): Promise<number> {
    return values.reduce((sum, value) => sum + value, 0);
  }

  @Task('step')
  async increment(value: number): Promise<number> {
    return value + 1;
  }
}

export const celeriacDriver: Driver = {
  async openCaller(broker) {
    const app = new Celeriac('bench', { broker: broker.url, migrate: true, logger: SILENT });
    const { noop, progress, total, increment } = app.tasks(BenchService);
    return {
      call: (text) => noop.delay(text),
      callAndAwait: async (text) => (await noop.delay(text)).get(),
      publish: (texts) => app.publish(texts.map((text) => noop.s(text))),
      progress: async (updates) => (await progress.delay(updates)).get(),
      chord: async (texts) =>
        (
          await chord(
            texts.map((text) => noop.s(text)),
            total.s(),
          ).delay()
        ).get(),
      // Types would have to count the steps: a chain whose length is known only now is written without them.
      chain: async (steps) => {
        const untyped = chain as (steps: readonly unknown[]) => Chain<readonly Signature[]>;
        const signatures = Array.from({ length: steps }, (_, n) =>
          n === 0 ? increment.s(0) : increment.s(),
        );
        return (await untyped(signatures).delay()).get();
      },
      burn: async () => (await app.sendTask<number>('burn')).get(),
      close: () => app.close(),
    };
  },

  async startWorker(broker, { concurrency, task, threads }) {
    if (threads) {
      process.env.BENCH_BROKER = broker.url;
      return (await import('./celeriac-threads.js')).startThreads(concurrency);
    }
    const app = new Celeriac('bench', { broker: broker.url, migrate: true, logger: SILENT });
    app.register(new BenchService(task));
    await app.worker({ concurrency }).start();
    return { close: () => app.close() };
  },
};
