/**
 * The processes of a node, always the same number. A process that dies is replaced, at first soon, then after growing
 * delays. A process that reaches its limits is replaced as soon as it announces that. To ask the node is to ask them
 * all.
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
  /** Called for each process that is ready, before it counts. */
  greet(child: Child): Promise<void>;
  /** Called for each process that has ended. */
  ended(record: ProcessRecord): void;
}

/** A process that was ready for so long did not die of its start, ms. */
const WELL_AFTER_MS = 10_000;
const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 30_000;
/** Time a stopping process has for its last messages after the deadline, before it is killed, ms. */
const GRACE_MS = 3_500;

export class ProcessPool {
  readonly #children = new Set<Child>();
  readonly #restarts = new Set<Cancel>();
  /** Deaths in a row, none of them after a long life. */
  #failures = 0;
  #stopping = false;
  /** True once the node has announced itself. */
  #isReleased = false;
  #onReady: () => void = () => undefined;
  #onFailed: (error: Error) => void = () => undefined;

  constructor(private readonly params: ProcessPoolParams) {}

  /** The live processes. */
  get children(): readonly Child[] {
    return [...this.#children];
  }

  /** The processes that take tasks. */
  get working(): readonly Child[] {
    return this.children.filter((child) => child.working);
  }

  /**
   * Starts all processes; resolves when they could take tasks: see `release`. A process that dies meanwhile is replaced.
   * @throws the error of a process that cannot start
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

  /** Sends a command to the processes that take tasks; gives the answers that come in time. */
  async ask(command: CommandName | 'record' | 'health', args: object, timeoutMs: number): Promise<unknown[]> {
    const replies = await Promise.all(this.working.map((child) => child.ask(command, args, timeoutMs)));
    return replies.filter((reply) => reply !== undefined);
  }

  /** Requests and keeps the records of all processes. */
  async takeRecords(timeoutMs: number): Promise<void> {
    await Promise.all(
      this.children.map(async (child) => {
        const record = await child.ask('record', {}, timeoutMs);
        if (record !== undefined) child.record = record as ProcessRecord;
      }),
    );
  }

  /** Lets all processes take tasks, and each later one as soon as it is ready. */
  release(): void {
    this.#isReleased = true;
    for (const child of this.working) child.post({ kind: 'go' });
  }

  logRunning(): void {
    for (const child of this.#children) child.post({ kind: 'logRunning' });
  }

  /**
   * Shuts all down warmly; resolves when they are gone. Kills those left some seconds after the deadline.
   * @param graceMs how many milliseconds more they have then
   */
  async stop(timeoutMs: number, graceMs = 0): Promise<void> {
    this.#beginStop();
    for (const child of this.#children) child.post({ kind: 'stop', timeoutMs });
    await this.#gone(timeoutMs + GRACE_MS + graceMs);
  }

  /** Has all processes hand back their running tasks at once. */
  async stopNow(): Promise<void> {
    this.#beginStop();
    for (const child of this.#children) child.post({ kind: 'stopNow' });
    await this.#gone(GRACE_MS);
  }

  /** Starts no more processes; a pending `start` rejects. */
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
      () => undefined, // onEnd below reports its end
    );
  }

  #onLeaving(child: Child, why: string): void {
    this.params.logger.info({ pid: child.pid, why }, 'recycling worker process');
    this.#replace(FIRST_DELAY_MS);
  }

  #onEnd(child: Child, end: ChildEnd): void {
    this.#children.delete(child);
    this.params.ended(child.record);
    // Only a pending `start` uses this.
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
      // A leaving process does not count: it finishes its tasks beside its successor.
      if (!this.#stopping) this.#spawn();
    });
    this.#restarts.add(cancel);
  }
}
