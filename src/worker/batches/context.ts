/**
 * The context of a batch: what `this` is while the code of a task runs for several calls at once. What belongs to one
 * task (its state, chunks, steps, its place in a workflow, another attempt) is refused here; signal, log and app are
 * the batch's.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { CeleriacError } from '../../errors.js';
import { type TaskLogger, taskLogger } from '../../options/logger.js';
import { NO_TAGS } from '../../options/tags.js';
import type { TaskApp, TaskContext, TaskRequest } from '../../tasks/context.js';
import type { CallHost } from '../run/call-host.js';
import type { RunningCall } from '../run/running-call.js';

/** The members of a batch, as its context needs them. */
type Member = Pick<RunningCall, 'request' | 'delivery' | 'limits'>;

export class BatchContext implements TaskContext {
  #request: TaskRequest | undefined;
  #abort: AbortController | undefined;
  /** Restores the async context in which the code first asked for the signal. */
  #within: ReturnType<typeof AsyncLocalStorage.snapshot> | undefined;
  #reason: { readonly reason: unknown } | undefined;

  /**
   * @param name the task's
   * @param members the calls that the code runs for, in the order of its list; at least one
   */
  constructor(
    private readonly name: string,
    private readonly members: readonly Member[],
    private readonly items: readonly unknown[],
    private readonly host: CallHost,
  ) {}

  get request(): TaskRequest {
    this.#request ??= this.#makeRequest();
    return this.#request;
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = this.host.newAbort?.() ?? new AbortController();
      this.#within = AsyncLocalStorage.snapshot();
      if (this.#reason !== undefined) this.#abort.abort(this.#reason.reason);
    }
    return this.#abort.signal;
  }

  get log(): TaskLogger {
    return taskLogger(this.host.logger, { task: this.name, batch: this.members.length });
  }

  get app(): TaskApp {
    return this.host.app;
  }

  /** Aborts the signal: none of the members goes on. */
  abort(reason: unknown): void {
    if (this.#reason !== undefined) return;
    this.#reason = { reason };
    this.#within?.(() => this.#abort?.abort(reason));
  }

  async updateState(): Promise<never> {
    throw this.#refused('updateState', 'a state belongs to one task');
  }

  async emit(): Promise<never> {
    throw this.#refused('emit', 'a stream belongs to one task');
  }

  async sendEvent(): Promise<never> {
    throw this.#refused('sendEvent', 'an event belongs to one task');
  }

  retry(): never {
    throw this.#refused(
      'retry',
      'throw an error that autoretryFor names, or a BatchError with such errors for some of the calls',
    );
  }

  endWorkflow(): never {
    throw this.#refused('endWorkflow', 'the calls of a batch may belong to different workflows');
  }

  replace(): never {
    throw this.#refused('replace', 'the calls of a batch keep their places');
  }

  async addToGroup(): Promise<never> {
    throw this.#refused('addToGroup', 'the calls of a batch may belong to different groups');
  }

  async step(name: string): Promise<never> {
    throw this.#refused('step', 'steps belong to one task', name);
  }

  async sleep(name: string): Promise<never> {
    throw this.#refused('sleep', 'the calls of a batch go on together, and at once', name);
  }

  async waitFor(name: string): Promise<never> {
    throw this.#refused('waitFor', 'what is waited for is sent to one task', name);
  }

  #refused(member: string, why: string, name?: string): CeleriacError {
    const call = name === undefined ? `${member}()` : `${member}('${String(name)}')`;
    return new CeleriacError(`${this.name}: ${call} in a batch: ${why}.`);
  }

  #makeRequest(): TaskRequest {
    const { members, host, name } = this;
    const requests = members.map(({ request }) => request);
    const [first] = requests;
    const same = <K extends keyof TaskRequest>(key: K) => requests.every((one) => one[key] === first?.[key]);
    return {
      id: '',
      name,
      args: [this.items],
      rootId: '',
      parentId: undefined,
      groupId: undefined,
      groupIndex: undefined,
      retries: 0,
      deliveries: 1,
      headers: {},
      tags: first?.tags.filter((tag) => requests.every(({ tags }) => tags.includes(tag))) ?? NO_TAGS,
      shadow: undefined,
      ignoreResult: requests.every(({ ignoreResult }) => ignoreResult),
      links: [],
      children: [],
      priority: Math.min(...requests.map(({ priority }) => priority)),
      queue: first?.queue ?? '',
      eta: undefined,
      expires: undefined,
      timeLimit: same('timeLimit') ? first?.timeLimit : undefined,
      softTimeLimit: same('softTimeLimit') ? first?.softTimeLimit : undefined,
      sentAt: undefined,
      node: host.node,
      calledDirectly: false,
      isEager: first?.isEager ?? false,
      get shuttingDown() {
        return host.stopping;
      },
      batch: requests,
    };
  }
}
