/**
 * Workflows in the caller's process, where calls run here and now (`taskAlwaysEager`, `apply`): part after part, each with
 * the value before it, as Celery's eager mode does. Links are called; errbacks are not.
 */
import { ChordError, TaskFailedError } from '../errors.js';
import type { CallOptions } from '../options/call-options.js';
import type { AsyncResult, ResultSource } from '../results/async-result.js';
import { EagerResult } from '../results/eager-result.js';
import { GroupResult } from '../results/group-result.js';
import type { Snapshot } from '../results/snapshot.js';
import { FAILURE, SUCCESS } from '../states.js';
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
  readonly error: Error | undefined;
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
    return (await this.#run(node, args, options)).result;
  }

  async #run(node: Composable, front: readonly unknown[], options: CallOptions = {}): Promise<Ran> {
    const ran =
      node instanceof Workflow
        ? await this.#workflow(node, [...front, ...node.front])
        : await this.#task(node as unknown as Signature, front, options);
    const { links } =
      node instanceof Workflow ? node.callbacks : Signature.partsOf(node as unknown as Signature).callbacks;
    if (ran.error === undefined) for (const link of links) await this.#run(link, fed(link, ran.value));
    return ran;
  }

  async #task(signature: Signature, front: readonly unknown[], options: CallOptions): Promise<Ran> {
    const { target } = Signature.partsOf(signature);
    const all = { ...signature.options, ...options };
    const result = await this.sender.send(target, [...front, ...signature.args], all);
    const snapshot = await result.snapshot();
    return { result, snapshot, value: snapshot.value, error: snapshot.error };
  }

  async #workflow({ content }: Workflow, front: readonly unknown[]): Promise<Ran> {
    switch (content.kind) {
      case 'chain':
        return this.#chain(content.steps, front);
      case 'group':
        return this.#group(content.members, front);
      case 'chord':
        return this.#chord(await this.#group(content.members, front), content.body);
    }
  }

  async #chain(steps: readonly Composable[], front: readonly unknown[]): Promise<Ran> {
    let last: Ran | undefined;
    for (const step of steps) {
      if (last?.error !== undefined) break;
      const before = last;
      last =
        before?.result instanceof GroupResult
          ? await this.#chord(before, step)
          : await this.#run(step, before === undefined ? front : fed(step, before.value));
    }
    if (last === undefined) throw new Error('a chain has a step');
    return last.result instanceof GroupResult ? this.#asOne(last) : last;
  }

  async #group(members: readonly Composable[], front: readonly unknown[]): Promise<Ran> {
    const ran: Ran[] = [];
    for (const member of members) ran.push(await this.#run(member, front));
    const results = ran.flatMap(({ result }) => (result instanceof GroupResult ? result.results : [result]));
    const value = ran.flatMap((member) =>
      member.result instanceof GroupResult ? (member.value as unknown[]) : [member.value],
    );
    const failed = ran.find(({ error }) => error !== undefined);
    const last = failed ?? ran.at(-1);
    return {
      result: new GroupResult(undefined, '', results),
      snapshot: last?.snapshot,
      value,
      error: failed?.error,
    };
  }

  async #chord(header: Ran, body: Composable): Promise<Ran> {
    if (header.error === undefined) return this.#run(body, fed(body, header.value));
    const { error, snapshot } = header;
    const cause = error instanceof TaskFailedError ? error.cause : error;
    const message = `A member of the chord's header failed: ${error.message}`;
    const chordError = new TaskFailedError({
      taskId: snapshot?.id ?? '',
      taskName: snapshot?.name,
      errorName: 'ChordError',
      message,
      cause: new ChordError(message, { cause }),
    });
    return this.#asOne({ ...header, error: chordError });
  }

  /** A group's list, or a chord's failure, as the result of one task. */
  #asOne({ snapshot, value, error }: Ran): Ran {
    const whole = {
      ...BLANK,
      ...snapshot,
      state: error === undefined ? SUCCESS : FAILURE,
      value,
      error,
    } as Snapshot;
    const updates = [{ state: whole.state, meta: undefined }];
    const result = new EagerResult(this.source, { snapshot: whole, updates, sent: true });
    return { result, snapshot: whole, value, error };
  }
}

/** What a part that takes a value begins with. */
function fed(node: Composable, value: unknown): readonly unknown[] {
  return node instanceof Signature && (node as unknown as Signature).immutable ? [] : [value];
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
