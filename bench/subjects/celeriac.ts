/**
 * celeriac, used as its documentation says: a service with one task, handles on the calling side, a worker in process.
 * Defaults throughout; silent, because raw BullMQ logs nothing.
 */
import { Celeriac, Task, TaskService } from 'celeriac';
import type { BrokerAddress } from '../processes/redis.js';
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
}

export const celeriacDriver: Driver = {
  async openCaller(broker) {
    const app = new Celeriac('bench', { broker: brokerUrl(broker), logger: SILENT });
    const { noop } = app.tasks(BenchService);
    return {
      call: (text) => noop.delay(text),
      callAndAwait: async (text) => (await noop.delay(text)).get(),
      publish: (texts) => app.publish(texts.map((text) => noop.s(text))),
      close: () => app.close(),
    };
  },

  async startWorker(broker, { concurrency, task }) {
    const app = new Celeriac('bench', { broker: brokerUrl(broker), logger: SILENT });
    app.register(new BenchService(task));
    await app.worker({ concurrency }).start();
    return { close: () => app.close() };
  },
};

function brokerUrl({ host, port }: BrokerAddress): string {
  return `redis://${host}:${port}/0`;
}
