/**
 * Runs one delivery and returns how it ended: a list of named steps from message to Outcome. It must not write to the
 * broker (`settle` and the consumer do), and every fault of a task ends as an Outcome, never as a throw.
 */
import { CeleriacError, NotRegisteredError } from '../../errors.js';
import { encodeFailure } from '../../protocol/wire-error.js';
import type { Delivery } from '../../queue/delivery.js';
import { itemOf } from '../../tasks/batch-item.js';
import { runInScope } from '../../tasks/context.js';
import { isAsyncGenerator } from '../../tasks/generating.js';
import { through } from '../../tasks/middleware.js';
import type { RegisteredTask } from '../../tasks/registry.js';
import { TransientMap } from '../../transient-map.js';
import { runAlone, runEach } from '../batches/batch.js';
import type { Seat } from '../batches/seat.js';
import { ReplaceRequest } from '../workflow/spawn.js';
import type { WorkflowSteps } from '../workflow/step.js';
import { refusal } from './admission.js';
import { argumentsOf } from './arguments-of.js';
import type { CallLimits } from './call-host.js';
import { examinable } from './examinable.js';
import type { Elsewhere, ExecutorParams, HeldTask } from './executor-params.js';
import { type HookedCall, HooksHere, hasLateHooks, hooksOf } from './hooks.js';
import { callEach, callTarget, materialise, scopeOf } from './invoke.js';
import { judge, judged } from './judge.js';
import type { Execution, LateHooks, Outcome } from './outcome.js';
import { RunningCall } from './running-call.js';
import { type ChangedLimits, type TaskLimits, TimeLimits } from './time-limits.js';
import { tracedRun } from './traced-run.js';

export class Executor {
  /** Running calls by the token of their run: a job may be fetched again before its last run is over. */
  readonly running = new TransientMap<RunningCall>();
  /** Fetched tasks that wait for a limit's permission, by the token of their run. */
  readonly held = new Map<string, HeldTask>();
  readonly #limits: TimeLimits;
  readonly #openStream = (call: RunningCall) => {
    const { streams, registry } = this.params;
    const task = registry.get(call.delivery.name);
    return task && streams?.open(call, task.run);
  };

  constructor(private readonly params: ExecutorParams) {
    this.#limits = new TimeLimits(params.defaultLimits);
  }

  execute(delivery: Delivery): Promise<Execution> {
    const { flows } = this.params;
    if (delivery.message.flow === undefined || flows === undefined) return this.#execute(delivery);
    return this.#executePart(delivery, flows);
  }

  /** Runs a part of a workflow: its input is read before, and the next parts are sent before it is settled. */
  async #executePart(delivery: Delivery, flows: WorkflowSteps): Promise<Execution> {
    const begun = await flows.begin(delivery);
    const execution =
      begun.kind === 'run'
        ? await this.#execute(begun.delivery)
        : await this.#notRun(delivery, begun.outcome, this.params.registry.get(delivery.name));
    return flows.finish(delivery, execution);
  }

  #execute(delivery: Delivery): Promise<Execution> {
    const task = this.params.registry.get(delivery.name);
    if (task === undefined) return this.#executeUnknown(delivery);
    const { clock, lockDurationMs } = this.params;
    const refused = refusal(delivery, task, clock, lockDurationMs && lockDurationMs / 2);
    if (refused !== undefined) return this.#notRun(delivery, refused, task);
    const { suspects } = this.params;
    if (delivery.stalls === 0 || suspects === undefined) return this.perform(delivery, task);
    return suspects.run(
      delivery,
      task,
      () => this.perform(delivery, task),
      (outcome) => this.#notRun(delivery, outcome, task),
    );
  }

  async #executeUnknown(delivery: Delivery): Promise<Execution> {
    const { unknown } = this.params;
    const outcome: Outcome =
      unknown === undefined
        ? { kind: 'failure', error: new NotRegisteredError(`Nobody here knows the task "${delivery.name}".`) }
        : await unknown.outcomeOf(delivery);
    return this.#notRun(delivery, outcome, undefined);
  }

  /**
   * The attempt itself, for a delivery that may run. A thread begins here, since its worker did the checks.
   * @param kept limits enforced by the worker; they only show in the request
   * @param seat its place in a batch that has begun
   */
  perform(
    delivery: Delivery,
    task: RegisteredTask,
    kept?: CallLimits,
    seat?: Seat<RunningCall>,
  ): Promise<Execution> {
    const args = this.#decode(delivery);
    if (!Array.isArray(args)) return this.#notRun(delivery, args, task);
    const asking = this.params.limits?.admit(delivery, task, args);
    if (asking === undefined) return this.#gather(delivery, task, args, kept, seat);
    this.held.set(delivery.token, { delivery, args });
    return asking.then((refused) => {
      this.held.delete(delivery.token);
      return refused === undefined
        ? this.#gather(delivery, task, args, kept, seat)
        : this.#notRun(delivery, refused, task);
    });
  }

  /** Lets the call of a batch task wait for others; any other runs now. */
  #gather(
    delivery: Delivery,
    task: RegisteredTask,
    args: unknown[],
    kept: CallLimits | undefined,
    seat: Seat<RunningCall> | undefined,
  ): Promise<Execution> {
    const { batches } = this.params;
    if (seat !== undefined || batches?.takes(delivery, task) !== true)
      return this.#run(delivery, task, args, kept, seat);
    this.held.set(delivery.token, { delivery, args });
    return batches.join(delivery, task).then((admission) => {
      this.held.delete(delivery.token);
      return 'seat' in admission
        ? this.#run(delivery, task, args, kept, admission.seat)
        : this.#notRun(delivery, admission.outcome, task);
    });
  }

  /**
   * The hooks of a task whose code did not run here: its worker died, its arguments are wrong, or its thread is gone.
   * Undefined if the task has none.
   */
  hooksOf(delivery: Delivery, task: RegisteredTask, kept?: CallLimits): LateHooks | undefined {
    if (!hasLateHooks(task)) return undefined;
    const { host, eager, elsewhere } = this.params;
    const sent = this.#decode(delivery);
    const args = Array.isArray(sent) ? sent : [];
    const limits = kept ?? this.#limits.of(task, delivery.message);
    const call = new RunningCall(delivery, host, args, limits, eager);
    call.close();
    if (elsewhere?.takes(task)) return elsewhere.hooksOf(call);
    const { checker } = task;
    const made = () => (checker === undefined ? args : materialise(checker, args, delivery.message));
    // Wrong arguments may be why it failed: then the hooks get the arguments as sent.
    return this.#hooksHere(call, task, async () => {
      try {
        return await made();
      } catch {
        return args;
      }
    });
  }

  #hooksHere(call: RunningCall, task: RegisteredTask, args: HookedCall['args']): LateHooks {
    const { tracing, eager, prepare } = this.params;
    return new HooksHere({
      call,
      task,
      args,
      ...(prepare !== undefined && { prepare: () => prepare() }),
      traced: (body) => (tracing === undefined || eager ? body() : tracing.inside(call.delivery.trace, body)),
    });
  }

  /** With a sealing serializer, errors are stored bare: without their properties. */
  #sealed(outcome: Outcome, { name, message }: Delivery): Outcome {
    if (outcome.kind !== 'failure' && outcome.kind !== 'retry') return outcome;
    if (outcome.wire !== undefined || this.params.codec.sealOf(name, message) === undefined) return outcome;
    return { ...outcome, wire: encodeFailure(outcome.error, { bare: true }) };
  }

  #notRun(delivery: Delivery, refused: Outcome, task: RegisteredTask | undefined): Promise<Execution> {
    const outcome = this.#sealed(refused, delivery);
    const hooks = task !== undefined && outcome.kind === 'failure' ? this.hooksOf(delivery, task) : undefined;
    return Promise.resolve({ outcome, task, runtimeMs: 0, started: false, hooks });
  }

  /**
   * Sets the limits of later calls of a task that bring none of their own.
   * @returns both limits as they are now; `undefined` for an unknown task
   */
  setLimits(name: string, changed: ChangedLimits): CallLimits | undefined {
    const task = this.params.registry.get(name);
    return task === undefined ? undefined : this.#limits.change(task, changed);
  }

  /** The limits of single tasks as they are now, by name. */
  limitsOfTasks(): Record<string, TaskLimits> {
    return this.#limits.ofTasks(this.params.registry.all());
  }

  #run(
    delivery: Delivery,
    task: RegisteredTask,
    args: unknown[],
    kept: CallLimits | undefined,
    seat?: Seat<RunningCall>,
  ): Promise<Execution> {
    const { tracing, eager, host } = this.params;
    if (tracing === undefined || eager) return this.#begin(delivery, task, args, kept, seat);
    // In a thread: the worker has the span.
    if (kept !== undefined)
      return tracing.inside(delivery.trace, () => this.#begin(delivery, task, args, kept));
    return tracedRun(tracing, delivery, host.node, (traced) => this.#begin(traced, task, args, kept, seat));
  }

  #begin(
    delivery: Delivery,
    task: RegisteredTask,
    args: unknown[],
    kept: CallLimits | undefined,
    seat?: Seat<RunningCall>,
  ): Promise<Execution> {
    const { host, elsewhere, eager, watch, spawning, stepping } = this.params;
    if (watch?.active) watch.started(delivery);
    const call = new RunningCall(
      delivery,
      host,
      args,
      kept ?? this.#limits.of(task, delivery.message),
      eager,
      spawning,
      stepping,
      this.#openStream,
    );
    call.seat = seat;
    if (task.run.retriesTimeLimit && call.limits.hardMs !== undefined)
      call.atHardLimit = (error) => judged(this.params, error, call, task);
    this.running.set(delivery.token, call);
    const there = elsewhere?.takes(task) === true ? elsewhere : undefined;
    const finish = (ended: Outcome): Execution => {
      this.running.delete(delivery.token);
      void call.seat?.leave();
      const outcome = this.#sealed(ended, delivery);
      const hooks = hasLateHooks(task)
        ? (there?.hooksOf(call) ?? this.#hooksHere(call, task, () => call.given))
        : undefined;
      const { runtimeMs, streamed, trail, children } = call;
      return { outcome, task, runtimeMs, started: true, hooks, streamed, trail, children };
    };
    return there !== undefined
      ? this.#attemptElsewhere(call, task, there).then(finish)
      : call.run(() => this.#attempt(call, task, args), kept === undefined, finish);
  }

  #decode({ message }: Delivery): unknown[] | Outcome {
    try {
      return argumentsOf(message, this.params);
    } catch (error) {
      return { kind: 'failure', error };
    }
  }

  /** An attempt lost in a thread follows the retry rules, like any error. */
  async #attemptElsewhere(call: RunningCall, task: RegisteredTask, elsewhere: Elsewhere): Promise<Outcome> {
    try {
      return await elsewhere.run(call);
    } catch (error) {
      return judge(this.params, error, call, task);
    } finally {
      call.close();
    }
  }

  async #attempt(call: RunningCall, task: RegisteredTask, sent: unknown[]): Promise<Outcome> {
    if (task.target.kind === 'method' && task.target.service.instance === undefined) {
      const unmade = await this.#prepare();
      if (unmade !== undefined) return unmade;
    }
    let args = sent;
    try {
      if (task.checker !== undefined) args = await materialise(task.checker, sent, call.delivery.message);
      if (task.run.batch !== undefined && call.delivery.message.each !== true) itemOf(task.name, args);
    } catch (error) {
      // Wrong arguments stay wrong, so this is never retried.
      return { kind: 'failure', error };
    }
    call.given = args;
    try {
      const given = await runInScope(scopeOf(call, task), () => this.#invoke(call, task, args));
      // Of a method that gives a promise of a generator.
      const value = isAsyncGenerator(given)
        ? await runInScope(scopeOf(call, task), () => call.generate(given))
        : given;
      const { codec } = this.params;
      const { message } = call.delivery;
      const writing = codec.writingFor(task.name, message);
      const encoded = codec.encodeResult(value, task.name, writing, message.each);
      return { kind: 'success', value, encoded, ...(call.endsWorkflow && { ends: true as const }) };
    } catch (error) {
      const thrown = examinable(error);
      return thrown instanceof ReplaceRequest
        ? this.#replace(call, task, thrown)
        : judge(this.params, thrown, call, task);
    }
  }

  async #prepare(): Promise<Outcome | undefined> {
    try {
      await this.params.prepare?.();
      return undefined;
    } catch (error) {
      return { kind: 'failure', error };
    }
  }

  /** beforeStart, then the middleware from the outside in, then the task itself. */
  #invoke(call: RunningCall, task: RegisteredTask, args: unknown[]): unknown {
    const hooks = hooksOf(task);
    const body = () => this.#throughMiddleware(call, task, args);
    if (hooks?.beforeStart === undefined) return body();
    return Promise.resolve(hooks.beforeStart(call.delivery.taskId, args)).then(body);
  }

  #throughMiddleware(call: RunningCall, task: RegisteredTask, args: unknown[]): unknown {
    const { middleware } = this.params;
    const body = () => this.#callCode(call, task, args);
    if (middleware.length === 0) return body();
    const context = { request: call.request, headers: call.request.headers };
    return through(middleware, context, { what: `the run of ${task.name}`, last: body });
  }

  #callCode(call: RunningCall, task: RegisteredTask, args: unknown[]): unknown {
    const each = call.delivery.message.each === true;
    if (task.run.batch === undefined) return each ? callEach(task, call, args) : callTarget(task, call, args);
    const { host } = this.params;
    if (each) return runEach(task, call, host, args as unknown[][]);
    return call.seat === undefined ? runAlone(task, call, host, args) : call.seat.take(call, args);
  }

  async #replace(call: RunningCall, task: RegisteredTask, { signature }: ReplaceRequest): Promise<Outcome> {
    const { spawning } = this.params;
    try {
      if (spawning === undefined)
        throw new CeleriacError(`${task.name}: replace() is not supported in an eager call.`);
      const { delivery, waitedFor } = call;
      return await runInScope(scopeOf(call, task), () => spawning.replace(delivery, signature, waitedFor));
    } catch (error) {
      return judge(this.params, error, call, task);
    }
  }
}
