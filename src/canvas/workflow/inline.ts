/**
 * Workflows in the caller's process (`taskAlwaysEager`, `apply`): part after part, each with the previous value, as
 * in Celery's eager mode. Results, callbacks and failures must be the same as on a worker.
 */
import { randomUUID } from 'node:crypto';
import type { Decided, Detour } from '../../calls/call-stages.js';
import type { Sender } from '../../calls/sender.js';
import { ChordError, TaskFailedError } from '../../errors.js';
import type { CallOptions } from '../../options/call-options.js';
import type { FlowInput } from '../../protocol/message.js';
import { encodeFailure } from '../../protocol/wire-error.js';
import type { AsyncResult } from '../../results/async-result.js';
import { EagerResult } from '../../results/eager-result.js';
import { GroupResult } from '../../results/group-result.js';
import type { ResultSource } from '../../results/result-source.js';
import type { Snapshot } from '../../results/snapshot.js';
import { FAILURE, SUCCESS } from '../../states.js';
import { rich } from '../../tasks/rich.js';
import { encodeResult } from '../../tasks/serializer.js';
import type { Callbacks } from '../callbacks.js';
import { Workflow } from '../compose.js';
import { Signature } from '../signature.js';
import type { Composable } from '../typing.js';
import { flatSteps, withOptions } from './compile.js';
import {
  NOTHING_PASSED,
  optionsOfTask,
  type Passed,
  passedBy,
  passedToMembers,
  passedToStep,
} from './part-options.js';

/** The outcome of a part. */
interface Ran {
  readonly result: AsyncResult | GroupResult;
  /** The snapshot of the last task. */
  readonly snapshot: Snapshot | undefined;
  readonly value: unknown;
  readonly failed?: InlineFailure | undefined;
  /** Set when a task was ignored: the part around it ends without a result, and nothing after it runs. */
  readonly ignored?: 'itself' | 'a member' | undefined;
  /** Set when a task ended its workflow with its value: what that was, and whether it has ended a chain. */
  readonly ended?: { readonly by: Ran; readonly chain: boolean } | undefined;
}

/** How a part failed. */
interface InlineFailure {
  /** The error that `get()` throws. */
  readonly error: Error;
  /** The request of the failed task, and its error: errbacks get both. */
  readonly request: object;
  readonly cause: unknown;
  /** True if a member of the header failed: then the next step is a chord's body. */
  readonly header: boolean;
}

/** What a part begins with. */
interface InlineInput {
  readonly args: readonly unknown[];
  /** What precedes its arguments: the previous part's value; for an errback, the request and the error. */
  readonly input?: FlowInput | undefined;
  /** Options of the parts around it. */
  readonly passed: Passed;
  /** The group it is a member of. */
  readonly group?: NonNullable<Decided['group']> | undefined;
  /** A step takes its value: in a group, a task that ends its workflow ends the chord. */
  readonly taken?: boolean | undefined;
}

/** A step of a chain, or the header of a chord. */
interface InlineStep {
  readonly errbacks: readonly Composable[];
  run(given: InlineInput): Promise<Ran>;
}

/** The groups that run here, by id; each function adds a member. */
export type GroupsHere = Map<string, (member: Composable) => void>;

export interface InlineLauncherParams {
  readonly sender: Sender;
  readonly source: ResultSource;
  readonly groups: GroupsHere;
  /** Where its tasks run; default: where all calls go. */
  readonly detour?: Detour;
}

export class InlineLauncher {
  constructor(private readonly params: InlineLauncherParams) {}

  async launch(
    node: Composable,
    args: readonly unknown[],
    options: CallOptions,
  ): Promise<AsyncResult | GroupResult> {
    return (await this.run(withOptions(node, options), args)).result;
  }

  /** Runs the composition to its end. */
  run(node: Composable, args: readonly unknown[]): Promise<Ran> {
    return this.#run(node, { args, passed: NOTHING_PASSED });
  }

  /** Adds a member to a group that runs here; `false` for an unknown group. */
  addTo(group: string | undefined, member: Composable): boolean {
    const add = this.params.groups.get(group ?? '');
    add?.(member);
    return add !== undefined;
  }

  async #run(node: Composable, given: InlineInput): Promise<Ran> {
    const ran =
      node instanceof Workflow
        ? await this.#workflow(node, {
            ...given,
            args: [...given.args, ...node.front],
            passed: passedBy(node.options, given.passed),
          })
        : await this.#task(node as unknown as Signature, given);
    const { links, errbacks } = callbacksOf(node);
    if (ran.ignored === 'itself') return ran;
    if (ran.failed !== undefined) await this.#blame(errbacks, ran.failed);
    else
      for (const link of links)
        await this.#run(link, { args: [], input: inputOf(ran), passed: NOTHING_PASSED });
    return ran;
  }

  async #blame(errbacks: readonly Composable[], { request, cause }: InlineFailure): Promise<void> {
    const input = { request: encodeResult(request, rich), error: encodeFailure(cause) };
    for (const errback of errbacks) await this.#run(errback, { args: [], input, passed: NOTHING_PASSED });
  }

  async #task(signature: Signature, given: InlineInput): Promise<Ran> {
    const { target, immutable } = Signature.partsOf(signature);
    const args = immutable ? signature.args : [...given.args, ...signature.args];
    const input = immutable ? undefined : given.input;
    const { sender, detour } = this.params;
    const result = await sender.send(target, args, optionsOfTask(signature.options, given.passed), {
      ...(input !== undefined && { input }),
      ...(given.group !== undefined && { group: given.group }),
      ...(detour !== undefined && { detour }),
    });
    const snapshot = await result.snapshot();
    const { value, error } = snapshot;
    const ignored = result instanceof EagerResult && result.ignored ? 'itself' : undefined;
    const ran: Ran = { result, snapshot, value, failed: error && failureOf(snapshot, error), ignored };
    const ends = result instanceof EagerResult && result.endsWorkflow;
    return ends ? { ...ran, ended: { by: ran, chain: false } } : ran;
  }

  #workflow({ content }: Workflow, given: InlineInput): Promise<Ran> {
    switch (content.kind) {
      case 'chain':
        return this.#sequence(
          flatSteps(content.steps).map((step) => this.#step(step)),
          given,
        );
      case 'group':
        return this.#group(content.members, { ...given, passed: passedToMembers(given.passed) });
      case 'chord': {
        const header: InlineStep = { errbacks: [], run: (first) => this.#group(content.members, first) };
        return this.#sequence([header, this.#step(content.body)], given);
      }
    }
  }

  #step(node: Composable): InlineStep {
    return { errbacks: callbacksOf(node).errbacks, run: (given) => this.#run(node, given) };
  }

  async #sequence(steps: readonly InlineStep[], given: InlineInput): Promise<Ran> {
    let last: Ran | undefined;
    for (const [i, step] of steps.entries()) {
      const isLast = i === steps.length - 1;
      const passed = passedToStep(given.passed, { first: i === 0, last: isLast });
      const taken = !isLast || given.taken;
      last = await step.run(
        last === undefined
          ? { ...given, passed, taken }
          : { args: [], input: inputOf(last), passed, group: given.group, taken },
      );
      const { failed, ignored, ended } = last;
      if (ended !== undefined) return { ...ended.by, ended: { ...ended, chain: true } };
      if (ignored === 'itself' || (ignored !== undefined && failed === undefined && !isLast))
        return { ...this.#asOne({ ...last, value: undefined }), ignored: 'itself' };
      if (failed === undefined || isLast) continue;
      const body = failed.header ? steps[i + 1] : undefined;
      if (body !== undefined) await this.#blame(body.errbacks, failed);
      const isBody = body !== undefined && i + 2 === steps.length;
      const error = isBody ? chorded(failed) : unchorded(failed);
      return this.#asOne({ ...last, failed: { ...failed, error, header: false } });
    }
    if (last === undefined) throw new Error('a chain has a step');
    return last.result instanceof GroupResult ? this.#asOne(last) : last;
  }

  async #group(members: readonly Composable[], given: InlineInput): Promise<Ran> {
    const { groups } = this.params;
    const id = randomUUID();
    // Members added by running tasks are appended.
    const all = [...members];
    groups.set(id, (member) => void all.push(member));
    const ran: Ran[] = [];
    try {
      let ended: Ran['ended'];
      for (let index = 0; index < all.length && ended === undefined; index++) {
        const member = all[index] as Composable;
        const added = index >= members.length;
        const around = added ? { args: [], passed: NOTHING_PASSED } : given;
        const taken = given.taken === true && !isChain(member);
        const one = await this.#run(member, { ...around, group: { group: id, index }, taken });
        ran.push(one);
        // A chain among the members ends by itself; a task ends the chord whose header it is in, and all beside it.
        if (taken) ended = one.ended;
      }
      if (ended !== undefined) return { ...ended.by, ended };
    } finally {
      groups.delete(id);
    }
    // The results of nested groups are spliced in.
    const results = ran.flatMap(({ result }) => (result instanceof GroupResult ? result.results : [result]));
    const value = ran.flatMap(({ result, value: own }) =>
      result instanceof GroupResult ? (own as unknown[]) : [own],
    );
    const failed = ran.find((member) => member.failed !== undefined)?.failed;
    return {
      result: new GroupResult(undefined, id, results),
      snapshot: ran.at(-1)?.snapshot,
      value,
      failed: failed && { ...failed, error: unchorded(failed), header: true },
      ignored: ran.some((member) => member.ignored !== undefined) ? 'a member' : undefined,
    };
  }

  /** Presents a group's list, or a chord's failure, as the result of one task. */
  #asOne({ snapshot, value, failed }: Ran): Ran {
    const whole = {
      ...BLANK,
      ...snapshot,
      state: failed === undefined ? SUCCESS : FAILURE,
      value,
      error: failed?.error,
    } as Snapshot;
    const updates = [{ state: whole.state, meta: undefined }];
    const result = new EagerResult(this.params.source, { snapshot: whole, updates, sent: true });
    return { result, snapshot: whole, value, failed };
  }
}

/** A part's value as the next part gets it: encoded as for sending, including values that JSON does not know. */
function inputOf({ value }: Ran): FlowInput {
  return { value: encodeResult(value, rich) };
}

/** A chord is a chain of its header and its body. */
function isChain(node: Composable): boolean {
  return node instanceof Workflow && node.content.kind !== 'group';
}

function callbacksOf(node: Composable): Callbacks {
  return node instanceof Workflow
    ? node.callbacks
    : Signature.partsOf(node as unknown as Signature).callbacks;
}

function failureOf({ id, name, args, retries, headers, rootId }: Snapshot, error: Error): InlineFailure {
  const cause: unknown = error instanceof TaskFailedError ? error.cause : error;
  return { error, request: { id, name, args, rootId, retries, headers }, cause, header: false };
}

/** The failure of a header, as the chord's body reports it. */
function chorded({ error, cause }: InlineFailure): Error {
  const message = `A member of the chord's header failed: ${error.message}`;
  return failureLike(error, 'ChordError', message, new ChordError(message, { cause }));
}

/** The failure of a chord's body, as all other parts report it: with the original error. */
function unchorded({ error, cause }: InlineFailure): Error {
  return error instanceof TaskFailedError && error.cause instanceof ChordError && cause instanceof Error
    ? failureLike(error, cause.name, cause.message, cause)
    : error;
}

function failureLike(error: Error, errorName: string, message: string, cause: unknown): TaskFailedError {
  const known = error instanceof TaskFailedError ? error : undefined;
  const { taskId = '', taskName } = known ?? {};
  return new TaskFailedError({ taskId, taskName, errorName, message, cause });
}

const BLANK = {
  id: '',
  name: undefined,
  known: true,
  meta: undefined,
  args: [],
  queue: undefined,
  worker: undefined,
  retries: 0,
  deliveries: 0,
  rootId: '',
  parentId: undefined,
  sentAt: undefined,
  startedAt: undefined,
  doneAt: undefined,
  headers: {},
  tags: [],
};
