/**
 * Converts between a schedule's entry and calls: what is stored of a call, and how each tick makes it again. A
 * process with the task's code makes an ordinary call; any other process uses what was stored.
 */

import { createHash } from 'node:crypto';
import type { Engine } from '../broker/broker.js';
import type { BrokerClock } from '../broker/clock.js';
import { packCall } from '../calls/pack-call.js';
import type { Sender } from '../calls/sender.js';
import { toMs } from '../duration.js';
import { CeleriacError, OptionError } from '../errors.js';
import { argumentsOf, resolveCall } from '../options/call-options.js';
import { codeOf, type DeclaredSchedule } from '../options/declared-schedules.js';
import type { Logger } from '../options/logger.js';
import type { Schedule } from '../options/schedules.js';
import { stemFrom } from '../protocol/ids.js';
import type { AsyncResult } from '../results/async-result.js';
import { checkJson } from '../tasks/json-check.js';
import type { CallTarget, RegisteredTask, Registry } from '../tasks/registry.js';
import { shownField, shownInstead } from '../tasks/shown-arguments.js';
import type { WireCodec } from '../tasks/wire-codec.js';
import { needsCode, type PendingTick, type ScheduleOptions, type Spec, type StoredPublish } from './entry.js';
import { type OwnNext, ownNext } from './own-kinds.js';

/** What schedules need from their app. */
export interface ScheduleHost {
  readonly engine: Engine;
  readonly clock: BrokerClock;
  readonly sender: Sender;
  readonly registry: Registry;
  readonly codec: WireCodec;
  /** Time zone of crontabs that name none. */
  readonly timezone: string;
  logger(): Logger;
  /** The call target of a task whose code is elsewhere. */
  reference(task: string): CallTarget;
}

export class ScheduledCalls {
  constructor(private readonly host: ScheduleHost) {}

  /**
   * What is stored of a call; everything is validated as if it were called now.
   * @throws {InvalidArgumentsError} and other errors of an invalid call
   */
  async spec(
    task: string,
    schedule: Schedule,
    args: readonly unknown[],
    options: ScheduleOptions,
    argsBy?: string,
  ): Promise<Spec> {
    const { sender, registry, codec, clock, timezone } = this.host;
    const where = `schedule of "${task}": options`;
    const known = registry.get(task) ?? this.host.reference(task);
    // What each tick makes is checked at the tick.
    const target = argsBy === undefined ? known : { ...known, checker: undefined };
    for (const name of ['taskId', 'eta', 'link', 'linkError']) {
      if (options[name as keyof ScheduleOptions] === undefined) continue;
      throw new OptionError(
        name.startsWith('link')
          ? `${where}: ${name} is not for schedules. Schedule a task that starts the workflow.`
          : `${where}: ${name} cannot be the same for every run. Leave it out.`,
      );
    }
    const { expires } = options;
    const shown = shownField(target, args, options.sensitive);
    const { serializer } = options;
    const plain = {
      ...options,
      ...(expires instanceof Date && { expires: expires.toISOString() }),
      ...(typeof serializer === 'object' && { serializer: serializer.name }),
    };
    const compress = resolveCall(options, clock.now(), where).compress ?? target.publish.compress;
    const packed = await packCall(codec, { target, args, options });
    return {
      task,
      args: JSON.parse(codec.compressArgs(packed, compress)) as unknown,
      ...(shown !== undefined && { shown }),
      options: checkJson(plain, where).value as ScheduleOptions,
      schedule,
      ...(argsBy !== undefined && { argsBy }),
      timezone,
      publish: storedPublish(target, args, argsBy === undefined),
      place: sender.placeFor(target, args, options),
    };
  }

  /** What is stored of a schedule that a task declares in its own options. */
  declared(task: RegisteredTask, { when, args }: DeclaredSchedule): Promise<Spec> {
    if (typeof args !== 'function') return this.spec(task.name, when, args, {});
    return this.spec(task.name, when, [], {}, codeOf(args));
  }

  /** The declaration of this name that made the spec; undefined if this process's code has none. */
  declarationOf(name: string, spec: Spec): DeclaredSchedule | undefined {
    const declared = this.host.registry.get(spec.task)?.schedules.find((each) => each.name === name);
    if (declared === undefined || spec.argsBy !== argsMark(declared)) return undefined;
    const sameKind = declared.when.kind !== 'own' || sameCode(declared.when, spec.schedule);
    return sameKind ? declared : undefined;
  }

  /** True if this process can tick the spec: it needs no code, or the code is here. */
  canTick(name: string, spec: Spec): boolean {
    return !needsCode(spec) || this.declarationOf(name, spec) !== undefined;
  }

  /** The code that finds the next tick of the spec, where it has a kind of its own and this process has the code. */
  ownNext(name: string, spec: Spec): OwnNext | undefined {
    const own = spec.schedule.kind === 'own' ? this.declarationOf(name, spec)?.own : undefined;
    return own && ownNext(own, name);
  }

  /** The queue or lane that a call goes to now. */
  place(spec: Spec): string {
    const target = this.host.registry.get(spec.task);
    return target === undefined
      ? spec.place
      : this.host.sender.placeFor(target, this.args(spec), spec.options);
  }

  args(spec: Spec): unknown[] {
    return this.host.codec.decodeArgs(spec.args);
  }

  /** The arguments as they are shown. */
  shownArgs(spec: Spec): readonly unknown[] {
    const instead = shownInstead(spec, this.host.registry.get(spec.task));
    if (instead !== undefined) return instead;
    try {
      return this.args(spec);
    } catch {
      return ['[cannot be read]']; // this app lacks their serializer
    }
  }

  /** Sends a tick. Sending it again, from anywhere, adds nothing. */
  async tick(name: string, spec: Spec, { taskId, at }: PendingTick): Promise<void> {
    const args = await this.#argsAt(name, spec, at);
    await this.#send(jittered(spec, taskId), args, tickHeaders(name, at), {
      detour: null,
      place: placeOf(taskId),
      tick: { taskId, addition: `${process.pid}-${Math.random().toString(36).slice(2)}` },
    });
  }

  /**
   * Sends a call outside the schedule.
   * @throws {CeleriacError} when its arguments are made by code that this process does not have
   */
  async now(name: string, spec: Spec): Promise<AsyncResult> {
    const at = this.host.clock.now();
    const args = await this.#argsAt(name, spec, at);
    return this.#send(spec, args, tickHeaders(name, at), { place: this.place(spec) });
  }

  /** The arguments of the task of a tick. */
  async #argsAt(name: string, spec: Spec, at: number): Promise<readonly unknown[]> {
    if (spec.argsBy === undefined) return this.args(spec);
    const args = this.declarationOf(name, spec)?.args;
    if (typeof args !== 'function')
      throw new CeleriacError(
        `The arguments of schedule "${name}" are made at each tick by the code of task "${spec.task}", which this ` +
          'process does not have. Do this in a process that registers the task.',
      );
    const made: unknown = await args({ at: new Date(at), name });
    return argumentsOf(made as readonly unknown[], `schedule "${name}": args()`);
  }

  #send(
    spec: Spec,
    args: readonly unknown[],
    headers: Record<string, string>,
    settled: Parameters<Sender['send']>[3],
  ): Promise<AsyncResult> {
    const target = this.host.registry.get(spec.task) ?? storedTarget(spec);
    const options = { ...spec.options, headers: { ...headers, ...spec.options.headers } };
    return this.host.sender.send(target, args, options, settled);
  }
}

function argsMark({ args }: DeclaredSchedule): string | undefined {
  return typeof args === 'function' ? codeOf(args) : undefined;
}

function sameCode(own: Schedule, stored: Schedule): boolean {
  return own.kind === 'own' && stored.kind === 'own' && own.code === stored.code;
}

/** The spec with its jitter as a later start: the same for a tick whoever sends it. */
function jittered(spec: Spec, taskId: string): Spec {
  const { jitterMs } = spec.schedule;
  if (jitterMs === undefined || jitterMs === 0) return spec;
  const share = createHash('sha256').update(taskId).digest().readUInt32BE() / 2 ** 32;
  const { countdown } = spec.options;
  const before = countdown === undefined ? 0 : Math.max(0, toMs(countdown, 'countdown'));
  return { ...spec, options: { ...spec.options, countdown: before + Math.floor(share * jitterMs) } };
}

/** The id of the task that a tick starts: the same in every process. Like all ids it carries its queue. */
export function tickId(name: string, at: number, place: string): string {
  return `${stemFrom(name)}-${at.toString(36)}@${place}`;
}

function placeOf(taskId: string): string {
  return taskId.slice(taskId.indexOf('@') + 1);
}

/** Headers that tell a task its schedule and the moment of the tick. */
function tickHeaders(name: string, at: number): Record<string, string> {
  return { scheduleName: name, scheduledAt: new Date(at).toISOString() };
}

/** @param keyed false if the unique key is made with the arguments of each tick */
function storedPublish({ publish }: CallTarget, args: readonly unknown[], keyed: boolean): StoredPublish {
  const { unique, expires, serializer, ...rest } = publish;
  const key = keyed ? unique?.key?.(args) : undefined;
  return {
    ...rest,
    serializer: typeof serializer === 'object' ? serializer.name : serializer,
    expires: expires instanceof Date ? expires.toISOString() : expires,
    unique: unique && {
      mode: unique.mode,
      ...(unique.ttlMs !== undefined && { ttlMs: unique.ttlMs }),
      ...(key !== undefined && { key }),
    },
  };
}

function storedTarget({ task, publish, shown }: Spec): CallTarget {
  const { unique } = publish;
  const key = unique?.key;
  return {
    name: task,
    publish: {
      ...publish,
      queue: publish.queue,
      expires: publish.expires,
      unique: unique && {
        mode: unique.mode,
        ttlMs: unique.ttlMs,
        key: key === undefined ? undefined : () => key,
      },
    },
    ...(Array.isArray(shown) && { argsRepr: () => shown }),
    own: new Set(),
    lane: false,
    checker: undefined,
  };
}
