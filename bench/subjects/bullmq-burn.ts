/** What BullMQ's sandbox loads into its threads. */
import { burn } from '../workloads/burn.js';

export default async function run(): Promise<number> {
  return burn();
}
