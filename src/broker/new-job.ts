/** A job on its way to a queue. */
import type { JobJson } from 'bullmq';

/** A job to be added. */
export interface NewJob {
  readonly queue: string;
  readonly jobId: string;
  readonly job: JobJson;
}
