/**
 * Raw BullMQ, written as its documentation would: the measure for celeriac.
 * Results are kept, as celeriac keeps them; everything else is BullMQ's default.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type ConnectionOptions, Queue, QueueEvents, Worker } from 'bullmq';
import type { BrokerAddress } from '../processes/redis.js';
import type { Driver } from './driver.js';

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
}

export const bullmqDriver: Driver = {
  async openCaller(broker) {
    const queue = new Queue<BenchData, number>(QUEUE, { connection: connectionTo(broker) });
    // A thousand waiters listen on one queue; Node warns from the eleventh.
    queue.setMaxListeners(0);
    await queue.waitUntilReady();
    let events: Promise<QueueEvents> | undefined;
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
      close: async () => {
        await (await events)?.close();
        await queue.close();
      },
    };
  },

  async startWorker(broker, { concurrency, task }) {
    const worker = new Worker<BenchData, number>(QUEUE, async (job) => task(job.data.text), {
      connection: connectionTo(broker),
      concurrency,
      removeOnComplete: { age: RESULT_AGE_S },
      removeOnFail: { age: FAILURE_AGE_S },
    });
    worker.on('error', (error) => console.error(error));
    await worker.waitUntilReady();
    return { close: () => worker.close(true) };
  },
};

async function openEvents(broker: BrokerAddress): Promise<QueueEvents> {
  const events = new QueueEvents(QUEUE, { connection: connectionTo(broker) });
  events.setMaxListeners(0);
  await events.waitUntilReady();
  // BullMQ 6: ready does not mean that the first read is under way, and what ends before it is waited for in vain.
  await sleep(FIRST_READ_MS);
  return events;
}

function connectionTo({ host, port }: BrokerAddress): ConnectionOptions {
  return { host, port };
}
