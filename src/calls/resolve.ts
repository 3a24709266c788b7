/**
 * Resolves a call: its own options over those of its task, its route and the app, and the queue it goes to. Every
 * call is resolved here, whether it is sent, prepared for a workflow or only checked. Does no I/O.
 */
import {
  type CallOptions,
  NOTHING_SPECIAL,
  overRoute,
  type ResolvedCall,
  resolveCall,
  underTask,
} from '../options/call-options.js';
import { checkDeclared, type DeclaredQueues } from '../options/queues.js';
import type { Router } from '../options/routes.js';
import { laneOf } from '../protocol/lanes.js';
import { currentTask } from '../tasks/context.js';
import type { CallTarget } from '../tasks/registry.js';
import type { PlainCall } from './call-stages.js';

/** The options of a call without options; compared by identity, so that resolving it costs nothing. */
export const NO_OPTIONS: CallOptions = Object.freeze({});

/** The priority of a call: its own, the task's own, that of the task which makes it where it inherits, or the default. */
export function priorityOf({ publish, own }: CallTarget, call: ResolvedCall): number {
  if (call.priority !== undefined) return call.priority;
  const inherits = (call.inheritPriority ?? publish.inheritPriority) && !own.has('priority');
  return (inherits ? currentTask()?.request.priority : undefined) ?? publish.priority;
}

export interface CallResolverParams {
  readonly router: Router | undefined;
  readonly defaultQueue: string;
  /** The queues that calls may name; undefined: any. */
  readonly queues?: DeclaredQueues;
  /** Time zone of moments that name none. */
  readonly timezone: string;
}

export class CallResolver {
  constructor(private readonly params: CallResolverParams) {}

  /**
   * Merges the call's own options over those of its task and of its route.
   * @param now epoch ms of the broker's clock
   * @throws {OptionError} for an invalid option
   */
  resolve({ target, args, options }: PlainCall, now: number): ResolvedCall {
    const { router, timezone } = this.params;
    if (router === undefined && options === NO_OPTIONS) return NOTHING_SPECIAL;
    const routed = router?.(target.name, args, options);
    const fromRoute = routed === undefined ? undefined : underTask(routed, target.own);
    return resolveCall(overRoute(fromRoute, options), now, `${target.name}.applyAsync`, timezone);
  }

  /**
   * The queue a task goes to, or its lane there.
   * @param chosen the queue set by the call or its route
   * @throws {OptionError} for a queue that is not declared
   */
  placeOf(target: CallTarget, chosen: string | undefined): string {
    const queue = chosen ?? target.publish.queue ?? this.params.defaultQueue;
    if (this.params.queues !== undefined) checkDeclared(this.params.queues, queue, target.name);
    return target.lane ? laneOf(queue, target.name) : queue;
  }
}
