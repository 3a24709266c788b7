/** The stacks of earlier attempts of a task, for people who look at it: the last few, as far as they are small. Pure. */
import { PARK_MARK } from '../protocol/waiting.js';

const MOST = 10;
/** Characters of all of them. */
const MOST_TEXT = 32_768;

/** @param stacks what the job has by now: any program may have written it */
export function keptStacks(stacks: readonly unknown[] | null | undefined): string[] {
  if (!Array.isArray(stacks) || stacks.length === 0) return [];
  const kept: string[] = [];
  let left = MOST_TEXT;
  for (const stack of stacks.slice(-MOST).reverse()) {
    if (typeof stack !== 'string' || stack.startsWith(PARK_MARK)) continue;
    left -= stack.length;
    if (left < 0) break;
    kept.unshift(stack);
  }
  return kept;
}
