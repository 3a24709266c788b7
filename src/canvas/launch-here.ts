/**
 * Workflows in the caller's process, where calls run here and now (`taskAlwaysEager`, `apply`): part after part, each with
 * the value before it, as Celery's eager mode does; with what a worker's run would give, call and fail.
 */
import type { FlowInput } from '../broker/message.js';
import { ChordError, TaskFailedError } from '../errors.js';
import type { CallOptions } from '../options/call-options.js';
import type { AsyncResult, ResultSource } from '../results/async-result.js';
import { EagerResult } from '../results/eager-result.js';
import { GroupResult } from '../results/group-result.js';
import type { Snapshot } from '../results/snapshot.js';
import { FAILURE, SUCCESS } from '../states.js';
import { encodeFailure } from '../tasks/failure.js';
import { rich } from '../tasks/rich.js';
import { encodeResult } from '../tasks/serializer.js';
import type { Callbacks } from './callbacks.js';
import { flatSteps } from './compile.js';
import { Workflow } from './compose.js';
import type { Composable } from './fits.js';
import type { Sender } from './sender.js';
import { Signature } from './signature.js';

/** A part that has run. */
interface Ran {
  readonly result: AsyncResult | GroupResult;
  /** Of the task that ended last. */
  readonly snapshot: Snapshot | undefined;
  readonly value: unknown;
  readonly failed?: Failed | undefined;
}

/** How a part failed. */
interface Failed {
  /** What `get()` throws. */
  readonly error: Error;
  /** The failed task's, and what it failed with: errbacks get both. */
  readonly request: object;
  readonly cause: unknown;
  /** It failed in the group whose list it would have given: the next step is a chord's body. */
  readonly header: boolean;
}

/** What a part begins with. */
interface Given {
  readonly args: readonly unknown[];
  /** Of an errback: the request and the error, which stand before its arguments. */
  readonly blame?: FlowInput | undefined;
}

/** A step of a chain, or the header of a chord. */
interface Step {
  readonly errbacks: readonly Composable[];
  run(given: Given): Promise<Ran>;
}

export class LaunchHere {
  constructor(
    private readonly sender: Sender,
    private readonly source: ResultSource,
  ) {}

  async launch(
    node: Composable,
    args: readonly unknown[],
    options: CallOptions,
  ): Promise<AsyncResult | GroupResult> {
    return (await this.#run(node, { args }, options)).result;
  }

  async #run(node: Composable, given: Given, options: CallOptions = {}): Promise<Ran> {
    const ran =
      node instanceof Workflow
        ? await this.#workflow(node, { ...given, args: [...given.args, ...node.front] })
        : await this.#task(node as unknown as Signature, given, options);
    const { links, errbacks } = callbacksOf(node);
    if (ran.failed !== undefined) await this.#blame(errbacks, ran.failed);
    else for (const link of links) await this.#run(link, { args: [ran.value] });
    return ran;
  }

  async #blame(errbacks: readonly Composable[], { request, cause }: Failed): Promise<void> {
    const blame = { request: encodeResult(request, rich), error: encodeFailure(cause) };
    for (const errback of errbacks) await this.#run(errback, { args: [], blame });
  }

  async #task(signature: Signature, given: Given, options: CallOptions): Promise<Ran> {
    const { target, immutable } = Signature.partsOf(signature);
    const all = { ...signature.options, ...options };
    const args = immutable ? signature.args : [...given.args, ...signature.args];
    const input = immutable ? undefined : given.blame;
    const result = await this.sender.send(target, args, all, input === undefined ? undefined : { input });
    const snapshot = await result.snapshot();
    const { value, error } = snapshot;
    return { result, snapshot, value, failed: error && failureOf(snapshot, error) };
  }

  #workflow({ content }: Workflow, given: Given): Promise<Ran> {
    switch (content.kind) {
      case 'chain':
        return this.#sequence(
          flatSteps(content.steps).map((step) => this.#step(step)),
          given,
        );
      case 'group':
        return this.#group(content.members, given);
      case 'chord': {
        const header: Step = { errbacks: [], run: (first) => this.#group(content.members, first) };
        return this.#sequence([header, this.#step(content.body)], given);
      }
    }
  }

  #step(node: Composable): Step {
    return { errbacks: callbacksOf(node).errbacks, run: (given) => this.#run(node, given) };
  }

  async #sequence(steps: readonly Step[], given: Given): Promise<Ran> {
    let last: Ran | undefined;
    for (const [i, step] of steps.entries()) {
      last = await step.run(last === undefined ? given : { args: [last.value] });
      const { failed } = last;
      if (failed === undefined || i === steps.length - 1) continue;
      const body = failed.header ? steps[i + 1] : undefined;
      if (body !== undefined) await this.#blame(body.errbacks, failed);
      const isBody = body !== undefined && i + 2 === steps.length;
      const error = isBody ? chorded(failed) : unchorded(failed);
      return this.#asOne({ ...last, failed: { ...failed, error, header: false } });
    }
    if (last === undefined) throw new Error('a chain has a step');
    return last.result instanceof GroupResult ? this.#asOne(last) : last;
  }

  async #group(members: readonly Composable[], given: Given): Promise<Ran> {
    const ran: Ran[] = [];
    for (const member of members) ran.push(await this.#run(member, given));
    // Groups directly in groups stand among the others.
    const results = ran.flatMap(({ result }) => (result instanceof GroupResult ? result.results : [result]));
    const value = ran.flatMap(({ result, value: own }) =>
      result instanceof GroupResult ? (own as unknown[]) : [own],
    );
    const failed = ran.find((member) => member.failed !== undefined)?.failed;
    return {
      result: new GroupResult(undefined, '', results),
      snapshot: ran.at(-1)?.snapshot,
      value,
      failed: failed && { ...failed, error: unchorded(failed), header: true },
    };
  }

  /** A group's list, or a chord's failure, as the result of one task. */
  #asOne({ snapshot, value, failed }: Ran): Ran {
    const whole = {
      ...BLANK,
      ...snapshot,
      state: failed === undefined ? SUCCESS : FAILURE,
      value,
      error: failed?.error,
    } as Snapshot;
    const updates = [{ state: whole.state, meta: undefined }];
    const result = new EagerResult(this.source, { snapshot: whole, updates, sent: true });
    return { result, snapshot: whole, value, failed };
  }
}

function callbacksOf(node: Composable): Callbacks {
  return node instanceof Workflow
    ? node.callbacks
    : Signature.partsOf(node as unknown as Signature).callbacks;
}

function failureOf({ id, name, args, retries, headers, rootId }: Snapshot, error: Error): Failed {
  const cause: unknown = error instanceof TaskFailedError ? error.cause : error;
  return { error, request: { id, name, args, rootId, retries, headers }, cause, header: false };
}

/** The failure of a header, as its body shows it. */
function chorded({ error, cause }: Failed): Error {
  const message = `A member of the chord's header failed: ${error.message}`;
  return failureLike(error, 'ChordError', message, new ChordError(message, { cause }));
}

/** What failed as a chord's body, as everybody else shows it: with the original. */
function unchorded({ error, cause }: Failed): Error {
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
};
