/**
 * The Lua pattern that finds, in the stored stacks of a job, how often it had been fetched when it began to wait.
 */
import { PARK_MARK } from '../../protocol/waiting.js';

export const PARKED_AT = `[%[,]"${PARK_MARK}{\\\\"starts\\\\":(%d+)`;
