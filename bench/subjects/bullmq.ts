/**
 * Raw BullMQ, written as its documentation would: the measure for celeriac.
 * Results are kept, as celeriac keeps them; everything else is BullMQ's default.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  createPostgresBackend,
  type FlowJob,
  FlowProducer,
  type Job,
  Queue,
  QueueEvents,
  type QueueOptions,
  setDefaultBackendFactory,
  Worker,
} from 'bullmq';
import type { BrokerAddress } from '../processes/broker.js';
import type { BenchTask, Driver } from './driver.js';

const QUEUE = 'bench';
const PUBLISH_CHUNK = 1_000;
/** As long as celeriac keeps them, by the same rule. */
const RESULT_AGE_S = 24 * 3_600;
const FAILURE_AGE_S = 7 * RESULT_AGE_S;
const FIRST_READ_MS = 200;
/** Turns an event that BullMQ lost into a failure of the run. */
const AWAIT_TIMEOUT_MS = 60_000;

interface BenchData {
  readonly text: string;
  readonly updates?: number;
}

export const bullmqDriver: Driver = {
  async openCaller(broker) {
    const queue = new Queue<BenchData, number>(QUEUE, optionsFor(broker));
    // A thousand waiters listen on one queue; Node warns from the eleventh.
    queue.setMaxListeners(0);
    await queue.waitUntilReady();
    let events: Promise<QueueEvents> | undefined;
    const flows = new FlowProducer(optionsFor(broker));
    const finished = async (added: () => Promise<Job>): Promise<unknown> => {
      events ??= openEvents(broker);
      const listening = await events;
      return (await added()).waitUntilFinished(listening, AWAIT_TIMEOUT_MS);
    };
    return {
      call: (text) => queue.add('noop', { text }),
      callAndAwait: async (text) => {
        events ??= openEvents(broker);
        const listening = await events;
        const job = await queue.add('noop', { text });
        return job.waitUntilFinished(listening, AWAIT_TIMEOUT_MS);
      },
      publish: async (texts) => {
        for (let start = 0; start < texts.length; start += PUBLISH_CHUNK) {
          const chunk = texts.slice(start, start + PUBLISH_CHUNK);
          await queue.addBulk(chunk.map((text) => ({ name: 'noop', data: { text } })));
        }
      },
      progress: (updates) => finished(() => queue.add('progress', { text: '', updates })),
      chord: (texts) =>
        finished(async () => {
          const children = texts.map((text) => ({ name: 'noop', queueName: QUEUE, data: { text } }));
          return (await flows.add({ name: 'total', queueName: QUEUE, data: { text: '' }, children })).job;
        }),
      chain: (steps) => finished(async () => (await flows.add(nested(steps))).job),
      burn: () => finished(() => queue.add('burn', { text: '' })),
      close: async () => {
        await flows.close();
        await (await events)?.close();
        await queue.close();
      },
    };
  },

  async startWorker(broker, { concurrency, task, threads }) {
    const processor = threads
      ? new URL('./bullmq-burn.js', import.meta.url)
      : (job: Job<BenchData, number>) => run(job, task);
    const setup = {
      ...optionsFor(broker),
      concurrency,
      useWorkerThreads: threads,
      removeOnComplete: { age: RESULT_AGE_S },
      removeOnFail: { age: FAILURE_AGE_S },
    };
    const worker = new Worker<BenchData, number>(QUEUE, processor, setup);
    worker.on('error', (error) => console.error(error));
    await worker.waitUntilReady();
    return { close: () => worker.close(true) };
  },
};

async function run(job: Job<BenchData, number>, task: BenchTask): Promise<number> {
  switch (job.name) {
    case 'progress': {
      const { updates = 0 } = job.data;
      for (let done = 0; done < updates; done++)
        await job.updateProgress({ state: 'PROGRESS', meta: { done, of: updates } });
      return updates;
    }
    case 'total':
      return (await valuesOf(job)).reduce((sum, value) => sum + value, 0);
    case 'step':
      return ((await valuesOf(job))[0] ?? 0) + 1;
    default:
      return task(job.data.text);
  }
}

async function valuesOf(job: Job<BenchData, number>): Promise<number[]> {
  return Object.values(await job.getChildrenValues<number>());
}

/** The last step, which waits for the one before it, and so on: BullMQ's way to write a chain. */
function nested(steps: number): FlowJob {
  const step: FlowJob = { name: 'step', queueName: QUEUE, data: { text: '' } };
  return steps > 1 ? { ...step, children: [nested(steps - 1)] } : step;
}

async function openEvents(broker: BrokerAddress): Promise<QueueEvents> {
  const events = new QueueEvents(QUEUE, optionsFor(broker));
  events.setMaxListeners(0);
  await events.waitUntilReady();
  // BullMQ 6: ready does not mean that the first read is under way, and what ends before it is waited for in vain.
  await sleep(FIRST_READ_MS);
  return events;
}

function optionsFor({ url, host, port }: BrokerAddress): QueueOptions {
  if (!url.startsWith('postgres:')) return { connection: { host, port } };
  setDefaultBackendFactory(createPostgresBackend);
  // The types of the default are those of Redis.
  return { connection: { connectionString: url, migrate: true } as never };
}
