import type { Caller } from '../subjects/driver.js';

/** Calls, awaits the value, and refuses a wrong one: a fast subject must also be a right one. */
export async function callAndCheck(caller: Caller, text: string): Promise<void> {
  const value = await caller.callAndAwait(text);
  if (value !== text.length)
    throw new Error(`the task gave ${String(value)} for an argument of ${text.length}`);
}
