/**
 * Tasks that come one at a time. After a wake-up BullMQ fetches until nothing is left, before it starts what it has, and
 * is then woken once more by the marker that its fetch left behind, for nothing. So the first job after a wake-up is not
 * followed by a fetch but by that wake-up, which finds nothing, or more: then it goes on as ever. Another worker may take
 * the marker and have no slot for what it stands for, so it is not waited for as long as for a task.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { IQueueBackend } from 'bullmq';

type WaitForJob = IQueueBackend['waitForJob'];
type Marker = Awaited<ReturnType<WaitForJob>>;

/** A marker that was left a moment ago is there by then, or somebody else has it. */
const MARKER_WAIT_MS = 100;
const LOOK: Marker = { member: '0', score: 0 };

export class LoneJobs {
  /** The last fetch found nothing: what comes next may be alone. */
  #quiet = true;
  #woken = false;
  #leave = false;
  #left = false;
  /**
   * A wait that was not waited for to its end: asking BullMQ to wait for less would make it doubt its connection sooner.
   * What it brings is for the next wait.
   */
  #underWay: Promise<Marker> | undefined;

  constructor(private readonly waitForMarker: WaitForJob) {}

  /** A marker came: a job may stand behind it. */
  woken(): void {
    this.#woken = true;
  }

  fetched(job: boolean): void {
    this.#leave = job && this.#quiet && this.#woken;
    this.#quiet = !job;
    this.#woken = false;
  }

  /** Whether the fetch that is asked for is left out, since its marker will ask again; said once. */
  leavesToMarker(): boolean {
    this.#left = this.#leave;
    this.#leave = false;
    return this.#left;
  }

  wait(timeoutSeconds: number): Promise<Marker> {
    const asEver = !this.#left && this.#underWay === undefined;
    return asEver ? this.waitForMarker(timeoutSeconds) : this.#waitFor(timeoutSeconds);
  }

  async #waitFor(timeoutSeconds: number): Promise<Marker> {
    const left = this.#left;
    // What runs, and may end at once, is told before the next is asked for.
    if (left) await nextTurn();
    this.#underWay ??= this.waitForMarker(timeoutSeconds);
    const underWay = this.#underWay;
    const [mostMs, instead] = left
      ? [Math.min(MARKER_WAIT_MS, timeoutSeconds * 1000), LOOK]
      : [timeoutSeconds * 1000, null];
    let timer: NodeJS.Timeout | undefined;
    const enough = new Promise<undefined>((resolve) => {
      timer = setTimeout(resolve, mostMs, undefined);
    });
    try {
      const marker = await Promise.race([underWay.then((marker) => ({ marker })), enough]);
      if (marker === undefined) return instead;
      this.#underWay = undefined;
      return marker.marker;
    } catch (error) {
      this.#underWay = undefined;
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }
}
