/** The condition, on a row of BullMQ's `job` table, by which a job waits and no worker has fetched it since. */
import { PARK_MARK } from '../../protocol/waiting.js';

export const GOES_ON = `attempts_started <= substring(stacktrace ->> -1 FROM '^${PARK_MARK}[{]"starts":([0-9]{1,9})')::integer`;
