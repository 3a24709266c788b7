/** The steps of tasks as callers see them: sending a value to a task, and reading its steps. */
import type { Engine, JobRef } from '../broker/broker.js';
import type { BrokerClock } from '../broker/clock.js';
import { keepAliveDuring } from '../broker/keep-alive.js';
import type { Sent, SentValue } from '../broker/steps.js';
import { relocationKey } from '../coordination/relocations.js';
import type { TaskLookup, TaskRecord } from '../coordination/task-record.js';
import { type PartAddress, partOf } from '../protocol/ids.js';
import { type Message, readMessage } from '../protocol/message.js';
import {
  answerField,
  type Closed,
  closedName,
  type StepView,
  stepField,
  stepViews,
} from '../protocol/steps.js';
import type { SendReply, TaskStepsSource } from '../results/send-reply.js';
import { stateOf } from '../results/snapshot.js';
import { READY } from '../states.js';
import type { WireCodec } from '../tasks/wire-codec.js';
import { give, inherited } from './inheritance.js';
import { PartMail } from './part-mail.js';
import { checkStepName } from './step-name.js';
import type { WaitSchemas } from './wait-schemas.js';
import { wakeIfAnswered } from './wake.js';

export interface TaskStepsParams {
  readonly engine: Engine;
  readonly tasks: TaskLookup;
  readonly clock: BrokerClock;
  readonly codec: WireCodec;
  readonly schemas: WaitSchemas;
}

/** Most tries; each failed one means that the job was moved or ended since it was read. */
const MOST_TRIES = 20;

/** A value on its way to a task, encoded once: each try sends the same text. */
class OutgoingAnswer {
  #own: string | undefined;

  /** @param usual its text as the app writes values */
  constructor(
    readonly value: unknown,
    private readonly at: number,
    private readonly usual: string,
  ) {}

  /** Its text as the values of this task are written. */
  textFor(codec: WireCodec, task: string, message: Message): string {
    const writing = codec.writingFor(task, message);
    if (codec.isUsual(writing)) return this.usual;
    this.#own ??= JSON.stringify({ v: codec.encodeResult(this.value, task, writing), d: this.at });
    return this.#own;
  }
}

export class TaskSteps implements TaskStepsSource {
  constructor(private readonly params: TaskStepsParams) {}

  async send(ref: JobRef, name: string, value: unknown): Promise<SendReply> {
    checkStepName(name, 'send()');
    const encoded = this.params.codec.encodeResult(value, `the value of send('${name}')`);
    return keepAliveDuring(this.params.engine, async () => {
      await this.params.clock.sync();
      const now = this.params.clock.now();
      const answer = new OutgoingAnswer(value, now, JSON.stringify({ v: encoded, d: now }));
      for (let tries = 0; tries < MOST_TRIES; tries++) {
        const reply = await this.#send(ref, name, answer);
        if (reply !== undefined) return reply;
      }
      return refused('its job is being moved from queue to queue; send it again');
    });
  }

  async view(task: TaskRecord): Promise<readonly StepView[]> {
    if (task.hasSteps !== true) return [];
    const fields = await this.params.engine.steps.read(placeOf(task));
    return stepViews(fields, this.params.clock.now());
  }

  /** @returns undefined to try again */
  async #send(ref: JobRef, name: string, given: OutgoingAnswer): Promise<SendReply | undefined> {
    const { engine, tasks, clock, schemas, codec } = this.params;
    const [task] = await tasks.read([ref]);
    if (task === undefined) return refused('no such task is known');
    const now = clock.now();
    const message = readMessage(task.data);
    const state = stateOf(task, message, now);
    if (READY.has(state)) return refused(`the task has ended: ${state}`);
    const why = await schemas.refusal(task.name, name, given.value);
    if (why !== undefined) return refused(why);
    const text = given.textFor(codec, task.name, message);
    const place = placeOf(task);
    const fields = task.hasSteps === true ? await engine.steps.read(place) : undefined;
    const closed = fields && closedName(fields, name, now);
    if (closed !== undefined) return this.#refuse(place, name, closed);
    const earlier =
      message.heirOf && (await inherited(engine.steps, new PartMail(engine), message.heirOf, name));
    if (earlier !== undefined) {
      // Whoever should have passed it on may have died.
      await give(engine, place, name, earlier, now);
      return earlier === text ? ACCEPTED : refused(TAKEN(name));
    }
    const answer = { field: answerField(name), value: text, awaitedIf: stepField(name), now };
    const part = partOf(place.id);
    if (part !== undefined) return this.#sendToPart(ref, place, part, name, answer);
    const sent = await engine.steps.send(place, answer);
    if (sent === 'gone') return undefined;
    if (sent === 'taken') return refused(TAKEN(name));
    await this.#sendAfter(place, answer);
    await this.#woken(place, sent);
    return ACCEPTED;
  }

  /** A wait whose time is over stays so, also if no worker has woken the task yet. */
  async #refuse(place: JobRef, name: string, closed: Closed): Promise<SendReply | undefined> {
    if (closed.kind !== 'late')
      return refused(`"${name}" is a ${closed.kind} of this task, and takes no value`);
    const { engine, clock } = this.params;
    const sent = await engine.steps.send(place, {
      field: answerField(name),
      value: JSON.stringify({ t: closed.until }),
      awaitedIf: stepField(name),
      now: clock.now(),
    });
    if (sent === 'gone') return undefined;
    await this.#woken(place, sent);
    return refused(TAKEN(name));
  }

  /** Wakes up the task if it waits for what was sent. Best effort: a watch finds the mark. */
  async #woken(place: JobRef, sent: Sent): Promise<void> {
    if (sent === 'awaited') await wakeIfAnswered(this.params.engine, place, true).catch(() => undefined); // see above
  }

  /** First into the workflow's record, which says which value is the first, then to the job, if the part has one. */
  async #sendToPart(
    ref: JobRef,
    place: JobRef,
    part: PartAddress,
    name: string,
    answer: SentValue,
  ): Promise<SendReply | undefined> {
    const { engine } = this.params;
    const posted = await new PartMail(engine).post(part, name, answer.value);
    if (posted === undefined) return refused('its workflow has ended');
    const { stands, first } = posted;
    // Also a value whose sender may have died in between.
    const sent = await engine.steps.send(place, { ...answer, value: stands });
    if (sent === 'gone') {
      // It has no job yet, or was replaced since: then its heir is the next to be tried.
      const [task] = await this.params.tasks.read([ref]);
      if (task !== undefined && placeOf(task).id !== place.id) return undefined;
    }
    await this.#sendAfter(place, { ...answer, value: stands });
    await this.#woken(place, sent);
    return !first || sent === 'taken' ? refused(TAKEN(name)) : ACCEPTED;
  }

  /** To the lane as well that the job is being moved into: its fields may have been copied before. */
  async #sendAfter(place: JobRef, answer: SentValue): Promise<void> {
    const { engine } = this.params;
    const [moved] = await engine.records.read([relocationKey(place)]);
    if (moved !== undefined) await engine.steps.send({ queue: moved.value, id: place.id }, answer);
  }
}

function placeOf({ queue, id, replacedBy }: TaskRecord): JobRef {
  return replacedBy ?? { queue, id };
}

const ACCEPTED: SendReply = Object.freeze({ accepted: true });

const TAKEN = (name: string) => `"${name}" was sent before, or its wait is over`;

function refused(why: string): SendReply {
  return { accepted: false, why };
}
