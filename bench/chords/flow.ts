/** BullMQ's own: a flow whose parent is the body. Chords after chords cannot be said, since a job has one parent. */
import { FlowProducer, type Job, Queue, QueueEvents, Worker } from 'bullmq';
import { type ChordDesign, CONCURRENCY, TEXT } from './subject.js';

const QUEUE = 'chords';

export const flowDesign: ChordDesign = {
  name: 'BullMQ flow',
  async open(connection) {
    const flows = new FlowProducer({ connection });
    const events = new QueueEvents(QUEUE, { connection });
    events.setMaxListeners(0);
    const queue = new Queue(QUEUE, { connection });
    await Promise.all([flows.waitUntilReady(), events.waitUntilReady(), queue.waitUntilReady()]);
    let worker: Worker | undefined;
    return {
      send: async (n) => {
        const children = Array.from({ length: n }, () => ({
          name: 'one',
          queueName: QUEUE,
          data: { text: TEXT },
        }));
        const { job } = await flows.add({ name: 'total', queueName: QUEUE, data: {}, children });
        return {
          value: () => job.waitUntilFinished(events),
          remove: () => job.remove({ removeChildren: true }),
        };
      },
      startWorker: async () => {
        worker = new Worker(QUEUE, run, { connection, concurrency: CONCURRENCY });
        worker.on('error', (error) => console.error(error));
        await worker.waitUntilReady();
      },
      close: async () => {
        await worker?.close();
        await Promise.all([flows.close(), events.close(), queue.close()]);
      },
    };
  },
};

async function run(job: Job): Promise<number> {
  if (job.name === 'one') return 1;
  const values = Object.values(await job.getChildrenValues<number>());
  return values.reduce((sum, value) => sum + value, 0);
}
