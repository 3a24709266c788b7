/**
 * What `ps` shows of a worker: `celeriac worker mail@web1 (4 slots)`. Pure, but for {@link showTitle}.
 */
import { type Cancel, every } from '../../timers.js';
import type { WorkerDescription } from '../../worker/worker-options.js';
import { printable } from '../text/printable.js';
import { concurrencyText } from './banner.js';

type TitleFacts = Pick<WorkerDescription, 'node' | 'concurrency' | 'autoscale' | 'processes'>;

/** Slots change by remote control. */
const LOOK_MS = 5_000;

/**
 * The title of a worker's process.
 * @param supervisor the process that this one belongs to, in a worker of several
 */
export function workerTitle(facts: TitleFacts, supervisor?: number): string {
  const slots = concurrencyText(facts);
  const unit = slots === '1' ? 'slot' : 'slots';
  const part = supervisor === undefined ? '' : `, process of ${supervisor}`;
  return `celeriac worker ${printable(facts.node)} (${slots} ${unit}${part})`;
}

/** Shows the title now, and changes it with the worker. Ends with the process, or when it is cancelled. */
export function showTitle(titleOf: () => string): Cancel {
  let shown = '';
  const show = () => {
    const title = titleOf();
    if (title !== shown) process.title = title;
    shown = title;
  };
  show();
  return every(LOOK_MS, show, { ref: false });
}
