/**
 * Tasks under which a worker has died. One of the tasks that ran then may have caused the death; the others were only
 * its neighbours. So a worker runs one suspect at a time, and the next death shows which one is at fault: the others
 * are returned, at no cost to them. Before a suspect begins again, the number of deaths during its runs is noted.
 *
 * The calls of a batch are suspects together, and many. While another death would not be the last that one of them may
 * bring, they run in small batches; only then each alone.
 */

import type { Engine } from '../../broker/broker.js';
import type { Logger } from '../../options/logger.js';
import type { Delivery } from '../../queue/delivery.js';
import type { RegisteredTask } from '../../tasks/registry.js';
import { lostTooOften } from './admission.js';
import type { Execution, Outcome } from './outcome.js';

export interface SuspectsParams {
  readonly engine: Engine;
  readonly logger: Logger;
}

/** Delay of waiting suspects, up to twice as long, ms. */
const AGAIN_MS = 300;
/**
 * After this long the next suspect may begin as well: the running one may wait for it, and a task that kills its
 * worker mostly does so early, ms.
 */
const ALONE_MS = 60_000;
const KEPT_MS = 24 * 3_600_000;

export class Suspects {
  /** The suspect that runs here. */
  #running: object | undefined;

  constructor(private readonly params: SuspectsParams) {}

  /**
   * Runs a suspect, unless another one runs.
   * @param refuse makes the outcome of a suspect that cannot run now
   */
  async run(
    delivery: Delivery,
    task: RegisteredTask,
    perform: () => Promise<Execution>,
    refuse: (outcome: Outcome) => Promise<Execution>,
  ): Promise<Execution> {
    const alone = mustRunAlone(delivery, task);
    if (alone && this.#running !== undefined) return refuse(again());
    const turn = {};
    if (alone) this.#running = turn;
    const leave = () => {
      if (this.#running === turn) this.#running = undefined;
    };
    const timer = setTimeout(leave, ALONE_MS);
    try {
      const refused = await this.#begin(delivery, task.run.maxDeliveries);
      if (refused !== undefined) return await refuse(refused);
      const execution = await perform();
      this.#ended(delivery, execution);
      return execution;
    } finally {
      clearTimeout(timer);
      leave();
    }
  }

  /** Notes that the suspect begins, or gives the outcome if it may not. */
  async #begin(delivery: Delivery, maxDeliveries: number): Promise<Outcome | undefined> {
    const { records } = this.params.engine;
    const key = keyOf(delivery);
    try {
      const [record] = await records.read([key]);
      const begun = record === undefined ? 0 : Number(record.value);
      // The first death it was fetched after met it running, as did those before which it had begun again.
      const deaths = Math.min(delivery.stalls, begun + 1);
      if (deaths >= maxDeliveries) {
        delivery.afterwards(async () => void (await records.remove(key)));
        return lostTooOften(delivery, deaths);
      }
      const value = String(begun + 1);
      const noted =
        record === undefined
          ? await records.create(key, value, KEPT_MS)
          : await records.replace(key, record.version, value, KEPT_MS);
      if (!noted) return again();
      // A task that wakes up had met no death since it went to sleep.
      if (delivery.woken !== undefined) return undefined;
      const { name: task, taskId } = delivery;
      this.params.logger.info({ task, taskId, deaths }, 'runs again after a worker died under it');
      return undefined;
    } catch {
      return again(); // the broker did not answer, and its task has not begun
    }
  }

  /** No worker died this time: removes the note, or takes this run back from it if the task goes on. */
  #ended(delivery: Delivery, { outcome, started }: Execution): void {
    const { records } = this.params.engine;
    const key = keyOf(delivery);
    const goesOn = !started || GOES_ON.has(outcome.kind);
    if (outcome.kind === 'lost') return;
    delivery.afterwards(async () => {
      if (!goesOn) return void (await records.remove(key));
      const [record] = await records.read([key]);
      if (record !== undefined)
        await records.replace(key, record.version, String(Number(record.value) - 1), KEPT_MS);
    });
  }
}

/** Whether nothing else that is suspect may run beside this one. */
export function mustRunAlone({ stalls }: Delivery, { run }: RegisteredTask): boolean {
  return stalls > 0 && (run.batch === undefined || stalls + 1 >= run.maxDeliveries);
}

const GOES_ON: ReadonlySet<Outcome['kind']> = new Set([
  'retry',
  'requeue',
  'wait',
  'later',
  'move',
  'handBack',
]);

function again(): Outcome {
  return { kind: 'later', delayMs: Math.ceil(AGAIN_MS * (1 + Math.random())) };
}

function keyOf({ ref }: Delivery): string {
  return `suspect:${ref.queue}:${ref.id}`;
}
