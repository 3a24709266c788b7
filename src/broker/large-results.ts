/**
 * What is done about large results: BullMQ writes each into its event stream besides the job, where the last ten thousand
 * events would hold them in memory. The event by which a worker of ours told a large
 * one is taken out again once it has been told. BullMQ's listeners have it by then, unless they lag behind; the job keeps
 * the value. Other events stay, whoever wrote them.
 */

/** Results longer than this, as JSON, do not stay among the events; the events of a queue then hold some 50 MB at most. */
export const LARGEST_EVENT = 16_384;

/** So many events back large ones are looked for. */
export const EVENTS_BACK = 2_000;
