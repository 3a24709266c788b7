/** Starts what a measurement needs and ends all of it. */
import type { CallerProcess, Place, Subject, WorkerProcess } from '../subjects/subject.js';

/** The processes of one measurement, all stopped at its end, whatever happened. */
export class Crew {
  readonly #subject: Subject;
  readonly #place: Place;
  readonly #started: { stop(): Promise<void> }[] = [];

  constructor(subject: Subject, place: Place) {
    this.#subject = subject;
    this.#place = place;
  }

  async caller(): Promise<CallerProcess> {
    const caller = await this.#subject.startCaller(this.#place);
    this.#started.push(caller);
    return caller;
  }

  async worker(concurrency: number, threads = false): Promise<WorkerProcess | undefined> {
    const worker = await this.#subject.startWorker(this.#place, { concurrency, threads });
    if (worker !== undefined) this.#started.push(worker);
    return worker;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#started.map((process) => process.stop()));
  }
}
