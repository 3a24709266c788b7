/**
 * The steps of one running call: what `this.step`, `this.sleep` and `this.waitFor` do. Made when the task first asks for
 * one. The first attempt reads nothing; a later one reads all steps at once, at its first step.
 *
 *   a sleep or a wait, write by write            a crash after it
 *   1 its field is written, with its end         the next attempt finds the end, and waits for the rest
 *   2 the job is delayed, with what it waits for nothing is lost: the job comes back when it is due, or is woken
 *
 * The attempt is parked once nothing of it runs any more but what waits: sleeps and waits that were called together wait
 * together, and a step beside them is stored first.
 */
import type { BrokerClock } from '../broker/clock.js';
import type { StepRecords } from '../broker/steps.js';
import { type Duration, toPositiveMs } from '../duration.js';
import { OptionError, StepError, WaitTimeoutError } from '../errors.js';
import { checkNames } from '../options/names.js';
import { partOf } from '../protocol/ids.js';
import { type AnswerRecord, answerField, type StepRecord, stepField } from '../protocol/steps.js';
import type { WaitingFor } from '../protocol/waiting.js';
import type { Delivery } from '../queue/delivery.js';
import type { Tracing } from '../queue/tracing.js';
import { show } from '../show.js';
import { attemptOf } from '../streams/attempt.js';
import type { StepContext, StepTools, WaitOptions } from '../tasks/step-context.js';
import type { WireCodec } from '../tasks/wire-codec.js';
import { inherited } from './inheritance.js';
import type { PartMail } from './part-mail.js';
import { PendingWaits } from './pending-waits.js';
import { type RaceEntry, Races } from './races.js';
import { type RunningStep, runInStep, runningStep } from './running-step.js';
import { recordText, StepFields } from './step-fields.js';
import { checkStepName } from './step-name.js';
import type { WaitSchemas } from './wait-schemas.js';

/** What steps need of the app. */
export interface Stepping {
  readonly records: Pick<StepRecords, 'write' | 'read'>;
  readonly clock: Pick<BrokerClock, 'now'>;
  readonly codec: WireCodec;
  readonly tracing?: Tracing | undefined;
  readonly schemas: WaitSchemas;
  /** What was sent to parts of workflows before they had a job. */
  readonly mail?: Pick<PartMail, 'read'> | undefined;
  /** True in the caller's process: nothing can come later, so a sleep is passed and a wait without an answer times out. */
  readonly inline?: boolean;
}

/** The call, as its steps see it. */
export interface SteppingCall {
  readonly delivery: Delivery;
  readonly signal: AbortSignal;
  readonly closed: boolean;
  /** The index of the argument list that a `map` runs with now: each has steps of its own. */
  readonly item?: number | undefined;
  /** Throws when the soft limit has passed. */
  checkLimit(): void;
  /** Ends this stretch of the attempt; the body is never resumed. */
  park(waits: readonly WaitingFor[], delayMs: number): void;
  /** Another worker may run the task by now. */
  lost(): void;
  /** Counts chunks that are in the stream already, without sending them. */
  passChunks(count: number): Promise<void>;
}

/** BullMQ's scores are exact up to the year 2039: what lasts longer is parked in pieces of this. */
const LONGEST_PARK_MS = 5 * 365 * 86_400_000;

export class CallSteps implements StepContext {
  readonly #names = new Set<string>();
  readonly #waitedFor: string[] = [];
  readonly #pending = new PendingWaits({
    now: () => this.stepping.clock.now(),
    answered: async (name) =>
      (await this.stepping.records.read(this.call.delivery.ref)).has(answerField(name)),
    over: () => this.call.closed,
    idle: () => this.#lendSlot(),
  });
  readonly #races = new Races();
  readonly #stored: StepFields;
  /** Steps, reads and writes under way. */
  #busy = 0;
  #parked = false;
  /** Its slot is lent to others. */
  #lent = false;

  constructor(
    private readonly call: SteppingCall,
    private readonly stepping: Stepping,
  ) {
    this.#stored = new StepFields({
      delivery: call.delivery,
      // Read each time, because a test may replace the engine.
      records: {
        read: (job) => stepping.records.read(job),
        write: (job, token, write) => stepping.records.write(job, token, write),
      },
      over: () => call.closed,
      lost: () => call.lost(),
    });
  }

  /** The names that it has waited for so far. */
  get waitedFor(): readonly string[] {
    return this.#waitedFor;
  }

  step<T>(given: string, fn: (tools: StepTools) => T | PromiseLike<T>): Promise<T> {
    return this.#doing(async () => {
      const name = this.#claim(given, 'step');
      if (typeof fn !== 'function')
        throw new OptionError(`step('${name}'): the second argument must be a function; got ${show(fn)}.`);
      const before = await this.#stored.recorded(name, 'step');
      if (before !== undefined) {
        await this.#passChunks(before);
        return this.#decode(before.v) as T;
      }
      const { clock, codec } = this.stepping;
      const { call } = this;
      const { delivery } = call;
      const startedAt = clock.now();
      const key = `${delivery.taskId}:${name}:${delivery.sentAt.toString(36)}`;
      const running: RunningStep = { name, chunks: 0 };
      const value = await this.#spanned(name, () =>
        runInStep(running, async () =>
          fn({
            key,
            get signal() {
              return call.signal;
            },
          }),
        ),
      );
      const writing = codec.writingFor(delivery.name, delivery.message);
      const encoded = codec.encodeResult(value, `${delivery.name}: step "${name}"`, writing);
      const written = await this.#stored.write({
        field: stepField(name),
        value: recordText({
          k: 'step',
          s: startedAt,
          d: clock.now(),
          v: encoded,
          ...(running.chunks > 0 && { c: running.chunks, a: attemptOf(delivery) }),
        }),
      });
      if (written.before === undefined) return value;
      // An attempt that was taken for lost has stored its value first; it is the one that later attempts get.
      return this.#decode((JSON.parse(written.before) as { v: unknown }).v) as T;
    });
  }

  sleep(given: string, duration: Duration | Date): Promise<void> {
    return this.#doing(async (race) => {
      const name = this.#claim(given, 'sleep');
      const now = this.stepping.clock.now();
      const wanted =
        duration instanceof Date
          ? momentOf(duration, name)
          : now + toPositiveMs(duration, `sleep('${name}')`);
      const before = await this.#stored.recorded(name, 'sleep');
      const record = before ?? (await this.#stored.begin(name, { k: 'sleep', s: now, u: wanted })).record;
      if (this.stepping.inline || record.u <= this.stepping.clock.now()) return undefined;
      return this.#wait({ kind: 'sleep', name, until: record.u }, race, before);
    });
  }

  waitFor<T = unknown>(given: string, options: WaitOptions<T> = {}): Promise<T> {
    return this.#doing(async (race) => {
      const name = this.#claim(given, 'waitFor');
      this.#waitedFor.push(name);
      checkNames(options, ['timeout', 'schema'], `waitFor('${name}')`);
      const { timeout, schema } = options;
      const timeoutMs =
        timeout === undefined ? undefined : toPositiveMs(timeout, `waitFor('${name}'): timeout`);
      const { schemas, clock } = this.stepping;
      const { delivery } = this.call;
      if (schema !== undefined) schemas.learn(delivery.name, name, schema);
      const now = clock.now();
      const before = await this.#stored.recorded(name, 'wait');
      const begun =
        before === undefined
          ? await this.#stored.begin(name, {
              k: 'wait',
              s: now,
              ...(timeoutMs !== undefined && { u: now + timeoutMs }),
            })
          : { record: before, answer: (await this.#stored.fields()).get(answerField(name)) };
      const { u: until } = begun.record;
      let answer = begun.answer ?? (await this.#sentBefore(name));
      if (answer === undefined && this.#isOver(until, name)) answer = await this.#timeOut(name);
      if (answer !== undefined) return (await this.#answered(name, answer, schema)) as T;
      await this.#wait({ kind: 'wait', name, ...(until !== undefined && { until }) }, race, before);
      const late = (await this.#stored.fresh()).get(answerField(name)) ?? (await this.#timeOut(name));
      return (await this.#answered(name, late, schema)) as T;
    });
  }

  /** An earlier stretch of this attempt has sent the chunks of a step: what comes after has its places behind them. */
  async #passChunks({ c = 0, a }: Extract<StepRecord, { k: 'step' }>): Promise<void> {
    if (c > 0 && a === attemptOf(this.call.delivery)) await this.call.passChunks(c);
  }

  /** Runs one of the methods; the attempt is not parked meanwhile. What is not awaited must not end the process. */
  #doing<T>(body: (race: RaceEntry) => Promise<T>): Promise<T> {
    this.#busy++;
    const race = this.#races.enter();
    const done = this.#checked(() => body(race)).finally(() => {
      this.#busy--;
      this.#pending.settled();
      this.#parkSoon();
    });
    done.catch(() => undefined); // the task awaits it, or does not care
    return this.#races.watch(done, race);
  }

  async #checked<T>(body: () => Promise<T>): Promise<T> {
    this.call.checkLimit();
    if (this.#parked) return new Promise(() => undefined);
    if (this.call.closed) throw this.#over();
    if (this.#lent) await this.#regainSlot();
    return body();
  }

  #over(): StepError {
    return new StepError(
      `This attempt of ${this.call.delivery.name} is over: no step begins in it any more.`,
      '',
    );
  }

  /** @returns the name under which it is stored */
  #claim(given: string, what: string): string {
    checkStepName(given, `${what}()`);
    const { item } = this.call;
    const name = item === undefined ? given : `${given}[${item}]`;
    const around = runningStep();
    if (around !== undefined && what !== 'step')
      throw new StepError(
        `${what}('${name}') in the function of the step "${around.name}": a step runs in one go. Call it after the step.`,
        name,
      );
    if (this.#names.has(name))
      throw new StepError(
        `The name "${name}" is used twice in this attempt of ${this.call.delivery.name}. Each step, sleep and wait ` +
          'needs a name of its own, also in a loop: add the number of the turn.',
        name,
      );
    this.#names.add(name);
    return name;
  }

  /**
   * Resolves only where the attempt cannot be parked for it: see {@link PendingWaits}.
   * @param before the record by which an earlier stretch has begun it
   */
  async #wait(waiting: WaitingFor, race: RaceEntry, before: StepRecord | undefined): Promise<void> {
    const over = this.#pending.add(waiting, race);
    const ready = () => {
      this.#busy--;
      this.#parkSoon();
    };
    if (before === undefined) ready();
    else void this.#stored.again(waiting.name, before).finally(ready);
    await over;
    this.#busy++;
    if (this.#lent) await this.#regainSlot();
  }

  /** Only where nothing of the task is seen to run. What else it may do now runs beside the slots. */
  #lendSlot(): void {
    if (this.#busy > 0 || this.#parked || this.call.closed) return;
    this.#lent = true;
    this.call.delivery.lendSlot?.();
  }

  async #regainSlot(): Promise<void> {
    await this.call.delivery.regainSlot?.();
    this.#lent = false;
  }

  /**
   * Parks the attempt because its worker stops, if it seems to do nothing but wait. It may be something else that holds it
   * up, so it wakes up again at once, elsewhere.
   * @returns whether it was parked
   */
  parkToGo(): boolean {
    if (!this.#pending.mayHoldUp || this.#busy > 0 || this.#parked || this.call.closed) return false;
    this.#parked = true;
    this.call.park(this.#pending.close(), 1);
    return true;
  }

  /** Parks the attempt in the next turn, unless the task has begun something else by then. */
  #parkSoon(): void {
    if (this.#pending.size === 0 || this.#busy > 0) return;
    setImmediate(() => {
      if (this.#parked || this.#busy > 0 || this.call.closed) return;
      if (this.#pending.mayPark) this.#park();
      else this.#pending.live();
    });
  }

  #park(): void {
    if (this.#parked || this.#busy > 0 || this.call.closed) return;
    this.#parked = true;
    const waits = this.#pending.close();
    const next = Math.min(...waits.map(({ until = Number.POSITIVE_INFINITY }) => until));
    const delayMs = Math.max(0, Math.ceil(next - this.stepping.clock.now()));
    this.call.park(waits, Math.min(delayMs, LONGEST_PARK_MS));
  }

  #isOver(until: number | undefined, name: string): boolean {
    const { inline, clock } = this.stepping;
    if (inline && until === undefined)
      throw new StepError(
        `${this.call.delivery.name}: waitFor('${name}') in the caller's process, and nothing was sent: without a ` +
          'timeout it would never end.',
        name,
      );
    return until !== undefined && (inline === true || until <= clock.now());
  }

  /** What was sent to a part of a workflow before it had a job, or to the task that it replaces. @returns what ended the wait */
  async #sentBefore(name: string): Promise<string | undefined> {
    const { mail, records, inline } = this.stepping;
    const { jobId, message } = this.call.delivery;
    if (mail === undefined || inline || partOf(jobId) === undefined) return undefined;
    const { heirOf = [] } = message;
    const value = await this.#stored.patiently(
      async () => (await mail.read(jobId, name)) ?? (await inherited(records, mail, heirOf, name)),
    );
    return value && ((await this.#stored.write({ field: answerField(name), value })).before ?? value);
  }

  /** Ends a wait by its timeout, unless a value came first. @returns what ended it */
  async #timeOut(name: string): Promise<string> {
    const value = recordText({ t: this.stepping.clock.now() });
    return (await this.#stored.write({ field: answerField(name), value })).before ?? value;
  }

  async #answered(name: string, text: string, schema: WaitOptions['schema']): Promise<unknown> {
    const answer = JSON.parse(text) as AnswerRecord;
    if ('t' in answer)
      throw new WaitTimeoutError(
        `${this.call.delivery.name}: nothing was sent to waitFor('${name}') within its timeout.`,
        name,
      );
    const value = this.#decode(answer.v);
    return schema === undefined ? value : this.stepping.schemas.read(schema, name, value);
  }

  #decode(encoded: unknown): unknown {
    return this.stepping.codec.decodeResult(encoded);
  }

  #spanned<R>(name: string, body: () => Promise<R>): Promise<R> {
    const { tracing } = this.stepping;
    if (tracing === undefined || this.stepping.inline) return body();
    return tracing.span({ name: `step ${name}`, kind: 'internal' }, (span) => {
      span.set({ 'celeriac.step.name': name, 'messaging.message.id': this.call.delivery.taskId });
      return body();
    });
  }
}

function momentOf(date: Date, name: string): number {
  const at = date.getTime();
  if (Number.isFinite(at)) return at;
  throw new OptionError(`sleep('${name}'): the Date is no moment.`);
}
