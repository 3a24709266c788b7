/**
 * `celeriac/testing`: puts an app under test. Calls run at once, or wait for `drain()`; time passes only by `advance()`.
 * Works with any test runner, and needs no broker.
 */
import { Celeriac, partsOf } from './app.js';
import { keepAliveDuring } from './broker/keep-alive.js';
import { type AttemptEnd, WatchedEngine } from './broker/watched-engine.js';
import type { TaskHandle } from './canvas/handle.js';
import { type Duration, toPositiveMs } from './duration.js';
import { DuplicateTaskError, OptionError } from './errors.js';
import { checkNames } from './options/names.js';
import { readMessage } from './protocol/message.js';
import type { Envelope } from './queue/producer.js';
import type { AsyncResult } from './results/async-result.js';
import { show } from './show.js';
import { Drain } from './testing/drain.js';
import { type SentTask, sentTask } from './testing/sent-calls.js';

export type { SentTask } from './testing/sent-calls.js';

/** The options of `testing()`. */
export interface TestingOptions {
  /**
   * `'queue'`: calls wait until `drain()` or `advance()` runs them, on a real engine with a real worker. `'inline'`: a
   * task runs at its call, retries included. Default: `'queue'`.
   */
  mode?: 'inline' | 'queue';
  /** The broker of mode `queue`. Default: the app's own if that is embedded, else `memory://`. */
  broker?: string;
  /** How many tasks `drain()` runs at once. Default: 1, so that they run in order. */
  concurrency?: number;
}

/** The number of attempts of one `drain()` or `advance()`, by how they ended. */
export type DrainReport = Readonly<Record<AttemptEnd, number>>;

/** An app under test. */
export interface TestKit {
  /** The calls sent so far, in order: of one task (by handle or name), or all. Retries do not count as calls. */
  sent<A extends readonly unknown[], R>(task: TaskHandle<A, R>): readonly SentTask<A>[];
  sent(task?: string): readonly SentTask[];
  /** Runs all waiting tasks that are due, and the tasks that these send. */
  drain(): Promise<DrainReport>;
  /** Moves the clock forward without waiting, and runs each task that comes due at its moment. */
  advance(duration: Duration): Promise<DrainReport>;
  /** The current moment of the app. Only `advance()` moves it. */
  now(): Date;
  /** Forgets all calls, tasks and results, and returns to the present. */
  reset(): Promise<void>;
}

// One rig per app, however often the app is put under test: its engine can be replaced only once.
const rigs = new WeakMap<Celeriac, Rig>();

/**
 * Puts an app under test. Call it before the app's first call, and again to change the mode.
 * @throws {OptionError} for an invalid option
 * @example
 * const kit = testing(app, { mode: 'queue' });
 * await reports.generateReport.delay('42');
 * assert.deepEqual(kit.sent(reports.generateReport)[0].args, ['42']);
 * await kit.drain();
 */
export function testing(app: Celeriac, options: TestingOptions = {}): TestKit {
  checkNames(options, ['mode', 'broker', 'concurrency'], 'testing()');
  const { mode = 'queue', broker, concurrency = 1 } = options;
  if (mode !== 'inline' && mode !== 'queue')
    throw new OptionError(`testing(): mode must be 'inline' or 'queue'; got ${JSON.stringify(mode)}.`);
  if (!Number.isInteger(concurrency) || concurrency < 1)
    throw new OptionError(`testing(): concurrency must be a whole number of 1 or more; got ${concurrency}.`);
  if (!((app as unknown) instanceof Celeriac))
    throw new OptionError(
      `testing(): give the app, a Celeriac of this copy of the package; got ${show(app)}. ` +
        '`npm ls celeriac` shows whether there are two.',
    );
  const rig = rigs.get(app) ?? new Rig(app, broker);
  rigs.set(app, rig);
  rig.enter(mode, concurrency);
  return rig;
}

/** The implementation behind all kits of one app. */
class Rig implements TestKit {
  readonly #app: Celeriac;
  readonly #parts: ReturnType<typeof partsOf>;
  readonly #watched: WatchedEngine;
  readonly #inline = new Map<string, AsyncResult>();
  #sent: SentTask[] = [];
  #ends: Record<AttemptEnd, number> = noEnds();
  #concurrency = 1;

  constructor(app: Celeriac, broker: string | undefined) {
    const parts = partsOf(app);
    this.#app = app;
    this.#parts = parts;
    const own = parts.ground.engine;
    const under = broker === undefined && own.oneProcess ? own : parts.open(broker ?? 'memory://');
    this.#watched = new WatchedEngine(under, parts.clock, {
      watch: {
        added: (job) => void this.#sent.push(sentTask(job, parts.codec)),
        ended: (end) => void this.#ends[end]++,
      },
      alone: under.address === 'memory://',
      closeToo: under === own ? [] : [own],
    });
    under.signals.expect(parts.ids);
    parts.ground.engine = this.#watched.engine;
    parts.clock.stop();
  }

  enter(mode: 'inline' | 'queue', concurrency: number): void {
    this.#concurrency = concurrency;
    this.#parts.sender.detour =
      mode === 'queue'
        ? null
        : {
            sends: true,
            run: (envelope) => this.#runInline(envelope),
            find: <R, C>(taskId: string) => this.#inline.get(taskId) as AsyncResult<R, C> | undefined,
          };
  }

  sent<A extends readonly unknown[], R>(task: TaskHandle<A, R>): readonly SentTask<A>[];
  sent(task?: string): readonly SentTask[];
  sent(task?: string | { readonly name: string }): readonly SentTask[] {
    const name = typeof task === 'object' ? task.name : task;
    return this.#sent.filter((call) => name === undefined || call.name === name);
  }

  drain(): Promise<DrainReport> {
    return this.#reported((drain) => drain.all());
  }

  advance(duration: Duration): Promise<DrainReport> {
    const ms = toPositiveMs(duration, 'advance()');
    return this.#reported((drain) => drain.advance(ms));
  }

  now(): Date {
    return new Date(this.#parts.clock.now());
  }

  async reset(): Promise<void> {
    await keepAliveDuring(this.#watched.engine, () => this.#watched.clear());
    this.#inline.clear();
    this.#sent = [];
    this.#parts.clock.stop();
  }

  async #reported(work: (drain: Drain) => Promise<void>): Promise<DrainReport> {
    this.#ends = noEnds();
    const drain = new Drain({
      app: this.#app,
      parts: this.#parts,
      watched: this.#watched,
      concurrency: this.#concurrency,
    });
    await keepAliveDuring(this.#watched.engine, () => work(drain).finally(() => drain.close()));
    return { ...this.#ends };
  }

  async #runInline<R>(envelope: Envelope): Promise<AsyncResult<R>> {
    const { taskId, jobId, queue, name, priority, sentAt } = envelope;
    if (this.#inline.has(taskId))
      throw new DuplicateTaskError(
        `The task id "${taskId}" is taken: a task with it was sent, and there was no reset() since.`,
        taskId,
      );
    const message = readMessage(envelope.data);
    const ref = { queue, id: jobId };
    this.#sent.push(sentTask({ ref, name, message, priority, sentAt }, this.#parts.codec));
    const result = await this.#parts.runHere.run<R>(envelope);
    this.#inline.set(taskId, result);
    return result;
  }
}

function noEnds(): Record<AttemptEnd, number> {
  return { succeeded: 0, failed: 0, revoked: 0, retried: 0 };
}
