/**
 * The processes of a node: so many at all times, whatever becomes of each. One that dies is replaced, soon at first and
 * then ever later; one that has done enough is replaced as soon as it says so. Asking them all is asking the node.
 */
import type { CommandName } from '../../control/commands.js';
import { AppClosedError } from '../../errors.js';
import type { Logger } from '../../options/logger.js';
import { after, type Cancel } from '../../timers.js';
import { Child, type ChildEnd, type ChildParams } from './child.js';
import type { ProcessRecord } from './messages.js';

export interface ProcessPoolParams extends Omit<ChildParams, 'onLeaving' | 'onEnd'> {
  readonly size: number;
  readonly logger: Logger;
  /** Told of each process that is ready, before it counts. */
  greet(child: Child): Promise<void>;
  /** Told of each that has ended. */
  ended(record: ProcessRecord): void;
}

/** A process that was well for so long died of something else than its start. */
const WELL_AFTER_MS = 10_000;
const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 30_000;
/** A process that was told to go has its own last words to say, and then this. */
const GRACE_MS = 3_500;

export class ProcessPool {
  readonly #children = new Set<Child>();
  readonly #restarts = new Set<Cancel>();
  /** Deaths in a row, none of them after a long life. */
  #failures = 0;
  #stopping = false;
  /** The node has said that it is there. */
  #isReleased = false;
  #onReady: () => void = () => undefined;
  #onFailed: (error: Error) => void = () => undefined;

  constructor(private readonly params: ProcessPoolParams) {}

  /** Those that live. */
  get children(): readonly Child[] {
    return [...this.#children];
  }

  /** Those that take tasks. */
  get working(): readonly Child[] {
    return this.children.filter((child) => child.working);
  }

  /**
   * Starts all; resolves when they could take tasks: see `release`. One that dies meanwhile is replaced.
   * @throws what one of them says it cannot start for
   */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#onReady = () => {
        if (this.working.length >= this.params.size) resolve();
      };
      this.#onFailed = reject;
      for (let n = 0; n < this.params.size; n++) this.#spawn();
    });
  }

  /** The answers of those that work and answer in time. */
  async ask(command: CommandName | 'record' | 'health', args: object, timeoutMs: number): Promise<unknown[]> {
    const replies = await Promise.all(this.working.map((child) => child.ask(command, args, timeoutMs)));
    return replies.filter((reply) => reply !== undefined);
  }

  /** Asks all what they have done, and keeps it. */
  async takeRecords(timeoutMs: number): Promise<void> {
    await Promise.all(
      this.children.map(async (child) => {
        const record = await child.ask('record', {}, timeoutMs);
        if (record !== undefined) child.record = record as ProcessRecord;
      }),
    );
  }

  /** Lets all take tasks, and those that come later as they come. */
  release(): void {
    this.#isReleased = true;
    for (const child of this.working) child.post({ kind: 'go' });
  }

  logRunning(): void {
    for (const child of this.#children) child.post({ kind: 'logRunning' });
  }

  /** Ends all, warmly; resolves when they are gone, and has them gone some seconds after the deadline. */
  async stop(timeoutMs: number): Promise<void> {
    this.#beginStop();
    for (const child of this.#children) child.post({ kind: 'stop', timeoutMs });
    await this.#gone(timeoutMs + GRACE_MS);
  }

  /** What runs is to be handed back at once. */
  async stopNow(): Promise<void> {
    this.#beginStop();
    for (const child of this.#children) child.post({ kind: 'stopNow' });
    await this.#gone(GRACE_MS);
  }

  /** Nothing is started any more; who waits for the start hears that it is over. */
  #beginStop(): void {
    this.#stopping = true;
    for (const cancel of this.#restarts) cancel();
    this.#onFailed(new AppClosedError('The worker was stopped while it started.'));
  }

  async #gone(withinMs: number): Promise<void> {
    const cancel = after(withinMs, () => {
      for (const child of this.#children) {
        this.params.logger.warn({ pid: child.pid }, 'worker process did not exit in time; killed');
        child.kill();
      }
    });
    await Promise.all(this.children.map((child) => child.ended));
    cancel();
  }

  #spawn(): void {
    const child = new Child({
      ...this.params,
      onLeaving: (leaving, why) => this.#onLeaving(leaving, why),
      onEnd: (gone, end) => this.#onEnd(gone, end),
    });
    this.#children.add(child);
    child.ready.then(
      async () => {
        await this.params.greet(child);
        child.welcomed = true;
        if (this.#isReleased) child.post({ kind: 'go' });
        this.#onReady();
      },
      () => undefined, // its end is told below
    );
  }

  #onLeaving(child: Child, why: string): void {
    this.params.logger.info({ pid: child.pid, why }, 'recycling worker process');
    this.#replace(FIRST_DELAY_MS);
  }

  #onEnd(child: Child, end: ChildEnd): void {
    this.#children.delete(child);
    this.params.ended(child.record);
    // Only a start listens to this.
    if (end.failure !== undefined) this.#onFailed(end.failure);
    if (this.#stopping || end.left !== undefined) return;
    this.#failures = end.readyMs > WELL_AFTER_MS ? 0 : this.#failures + 1;
    const delayMs =
      this.#failures <= 1 ? FIRST_DELAY_MS : Math.min(LONGEST_DELAY_MS, 500 * 2 ** (this.#failures - 1));
    const how = end.signal ?? `exit code ${end.code}`;
    this.params.logger.error(
      { pid: child.pid, how, delayMs },
      'worker process died; another takes its place',
    );
    this.#replace(delayMs);
  }

  #replace(delayMs: number): void {
    if (this.#stopping) return;
    const cancel = after(delayMs, () => {
      this.#restarts.delete(cancel);
      // One that leaves does not count: what it still runs, it finishes beside its successor.
      if (!this.#stopping) this.#spawn();
    });
    this.#restarts.add(cancel);
  }
}
