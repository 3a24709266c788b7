/**
 * The fields of one running call: reads them once, and writes each once, through outages of the broker for as long as the
 * call goes on.
 */
import type { StepRecords, StepWrite, StepWritten } from '../broker/steps.js';
import { StepError } from '../errors.js';
import { type AnswerRecord, answerField, type StepRecord, stepField } from '../protocol/steps.js';
import { type Delivery, startsOf } from '../queue/delivery.js';
import { isBrokersFault } from '../queue/write-answers.js';
import { sleep } from '../timers.js';

export interface StepFieldsParams {
  readonly delivery: Delivery;
  readonly records: Pick<StepRecords, 'write' | 'read'>;
  /** The call is over. */
  over(): boolean;
  /** Another worker may run the task by now. */
  lost(): void;
}

/** Between two tries of a read or write while the broker is away: from this on, twice as long each time, up to a bound. */
const AGAIN_MS = 50;
const LONGEST_AGAIN_MS = 1000;

export class StepFields {
  #known: Promise<ReadonlyMap<string, string>> | undefined;

  constructor(private readonly params: StepFieldsParams) {}

  /** Writes the field of a sleep or wait. @returns the record that stands, and what has ended the wait already */
  async begin<R extends StepRecord>(
    name: string,
    record: R,
  ): Promise<{ record: R; answer: string | undefined }> {
    const { before, seen } = await this.write({
      field: stepField(name),
      value: recordText(record),
      parks: true,
      ...(record.k === 'wait' && { sees: answerField(name) }),
    });
    if (before === undefined) return { record, answer: seen };
    return { record: this.#sameKind(name, before, record.k) as R, answer: seen };
  }

  /** Before a park for what an earlier stretch has begun: the broker notes again that the task may wait. Never rejects. */
  async again(name: string, record: StepRecord): Promise<void> {
    try {
      await this.write({ field: stepField(name), value: recordText(record), parks: true });
    } catch {
      // The task waits all the same; only the count of those that wait would miss it.
    }
  }

  /** The record of an earlier attempt; undefined where there is none. */
  async recorded<K extends StepRecord['k']>(
    name: string,
    kind: K,
  ): Promise<Extract<StepRecord, { k: K }> | undefined> {
    const text = (await this.fields()).get(stepField(name));
    return text === undefined ? undefined : this.#sameKind(name, text, kind);
  }

  #sameKind<K extends StepRecord['k']>(name: string, text: string, kind: K): Extract<StepRecord, { k: K }> {
    const record = JSON.parse(text) as StepRecord;
    if (record.k === kind) return record as Extract<StepRecord, { k: K }>;
    throw new StepError(
      `"${name}" was a ${record.k} in an earlier attempt of ${this.params.delivery.name}, and is a ${kind} now. Give what ` +
        'is new a name of its own.',
      name,
    );
  }

  /** All fields, read once; without a request in the first attempt. */
  fields(): Promise<ReadonlyMap<string, string>> {
    const { delivery } = this.params;
    this.#known ??=
      startsOf(delivery) > 1 || delivery.message.steps === true
        ? this.patiently(() => this.params.records.read(delivery.ref))
        : Promise.resolve(NOTHING);
    return this.#known;
  }

  /** All fields as they are now. */
  fresh(): Promise<ReadonlyMap<string, string>> {
    return this.patiently(() => this.params.records.read(this.params.delivery.ref));
  }

  /** Writes a field unless it exists; through outages, for as long as the call goes on. */
  async write(write: StepWrite): Promise<StepWritten> {
    const { ref, token } = this.params.delivery;
    const written = await this.patiently(() => this.params.records.write(ref, token, write));
    if (written !== undefined) return written;
    this.params.lost();
    return new Promise(() => undefined);
  }

  async patiently<R>(body: () => Promise<R>): Promise<R> {
    for (let pauseMs = AGAIN_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_AGAIN_MS)) {
      // An attempt that is over changes nothing any more.
      if (this.params.over()) return new Promise(() => undefined);
      try {
        return await body();
      } catch (error) {
        if (!isBrokersFault(error)) throw error;
      }
      await sleep(pauseMs, { ref: false });
    }
  }
}

const NOTHING: ReadonlyMap<string, string> = new Map();

/** A record as its field's text. */
export function recordText(record: StepRecord | AnswerRecord): string {
  return JSON.stringify(record);
}
