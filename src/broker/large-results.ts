/**
 * Limits on large results. BullMQ writes each result into its event stream as well as the job, and the last ten thousand
 * events would keep them all in memory. When a worker of ours has published a large result, celeriac removes the event
 * again. BullMQ's listeners have read it by then, unless they lag behind; the job keeps the value. Other events stay.
 */

/** Longest result, as JSON, that stays in an event. The events of a queue then hold some 50 MB at most. */
export const LARGEST_EVENT = 16_384;

/** How many events are searched for large ones, newest first. */
export const EVENTS_BACK = 2_000;
