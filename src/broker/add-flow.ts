/**
 * Adds jobs to any queues in one atomic step: BullMQ's own step for flows, used without parents.
 */
import type { IQueueBackend } from 'bullmq';
import type { NewJob } from './broker.js';

export async function addFlow(
  backend: IQueueBackend,
  prefix: string,
  jobs: readonly NewJob[],
): Promise<void> {
  const replies = await backend.addFlow(
    jobs.map(({ queue, jobId, job }) => ({
      queueName: queue,
      prefix,
      jobId,
      jobData: job,
      parentKeyOpts: {},
    })),
  );
  for (const [error] of replies) if (error !== null && error !== undefined) throw error;
}
