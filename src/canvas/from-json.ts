/** Rebuilds signatures and workflows from JSON, in any process. */
import { OptionError } from '../errors.js';
import { type CallOptions, optionsOf, type SendOptions } from '../options/call-options.js';
import type { AsyncResult } from '../results/async-result.js';
import type { GroupResult } from '../results/group-result.js';
import { show } from '../show.js';
import type { CallTarget } from '../tasks/registry.js';
import { NO_CALLBACKS } from './callbacks.js';
import { chain, chord, group, Workflow } from './compose.js';
import { refuseDeep } from './depth.js';
import type { Dispatcher } from './dispatch.js';
import { type ComposableJson, Signature, type SignatureJson, type WorkflowJson } from './signature.js';
import type { Composable } from './typing.js';

/** A signature or workflow whose types are not known here. */
export interface AnyComposable<R = unknown> extends Composable<R> {
  set(options: CallOptions): AnyComposable<R>;
  clone(args: readonly unknown[]): AnyComposable<R>;
  link(callback: Composable): AnyComposable<R>;
  onError(errback: Composable): AnyComposable<R>;
  delay(...args: readonly unknown[]): Promise<AsyncResult<R> | GroupResult<R>>;
  applyAsync(args?: readonly unknown[], options?: SendOptions): Promise<AsyncResult<R> | GroupResult<R>>;
  toJSON(): ComposableJson;
}

export class Rebuild {
  /** Current nesting depth. */
  #depth = 0;

  constructor(
    private readonly launcher: Dispatcher,
    private readonly target: (name: string) => CallTarget,
  ) {}

  task(name: string, args: readonly unknown[], options: CallOptions): Signature {
    return this.#signature(name, args, optionsOf(options, 'app.signature'), false);
  }

  #signature(name: string, args: readonly unknown[], options: CallOptions, immutable: boolean): Signature {
    checkList(args, `args of "${name}"`);
    const parts = { launcher: this.launcher, target: this.target(name), immutable, callbacks: NO_CALLBACKS };
    return new Signature(parts, args, options);
  }

  /** @throws {OptionError} for anything but the JSON of a signature or workflow */
  from(json: unknown): AnyComposable {
    // An instance is returned as it is, as in Celery.
    if (json instanceof Signature || json instanceof Workflow) return json as unknown as AnyComposable;
    refuseDeep(++this.#depth);
    try {
      return this.#carrying(json);
    } finally {
      this.#depth--;
    }
  }

  #carrying(json: unknown): AnyComposable {
    const node = this.#content(json) as AnyComposable;
    const { link = [], onError = [] } = json as ComposableJson;
    checkList(link, 'link');
    checkList(onError, 'onError');
    const linked = link.reduce((carrier, callback) => carrier.link(this.from(callback)), node);
    return onError.reduce((carrier, errback) => carrier.onError(this.from(errback)), linked);
  }

  #content(json: unknown): unknown {
    if (isTask(json)) return this.#task(json);
    if (!isWorkflow(json)) {
      throw new OptionError(
        `app.signature: expected the JSON of a signature, chain, group or chord; got ${textOf(json).slice(0, 80)}.`,
      );
    }
    if (json.args !== undefined) checkList(json.args, 'args');
    const whole = this.#composed(json);
    const placed = json.args === undefined ? whole : whole.clone(json.args);
    return json.options === undefined ? placed : placed.set(json.options);
  }

  #task({ task, args = [], options = {}, immutable, each }: SignatureJson): Signature {
    if (each !== true) return this.#signature(task, args, options, immutable === true);
    checkList(args, `args of "${task}"`);
    const target = { ...this.target(task), each };
    return new Signature(
      { launcher: this.launcher, target, immutable: true, callbacks: NO_CALLBACKS },
      args,
      options,
    );
  }

  #composed({ chain: steps, group: members, chord: parts }: WorkflowJson): AnyComposable {
    const all = (list: readonly ComposableJson[]) => {
      checkList(list, 'the parts of a workflow');
      return list.map((json) => this.from(json));
    };
    if (steps !== undefined) return chain(all(steps)) as unknown as AnyComposable;
    if (members !== undefined) return group(all(members)) as unknown as AnyComposable;
    if (!isObject(parts)) throw new OptionError('app.signature: a chord must be { header, body }.');
    return chord(all(parts.header), this.from(parts.body) as never) as unknown as AnyComposable;
  }
}

/** @throws {OptionError} when it is no list */
function checkList(list: unknown, what: string): void {
  if (Array.isArray(list)) return;
  throw new OptionError(`app.signature: ${what} must be a list, not ${show(list).slice(0, 80)}.`);
}

function isTask(json: unknown): json is SignatureJson {
  return isObject(json) && typeof json.task === 'string';
}

function isWorkflow(json: unknown): json is WorkflowJson {
  return isObject(json) && ('chain' in json || 'group' in json || 'chord' in json);
}

function isObject(json: unknown): json is Record<string, unknown> {
  return typeof json === 'object' && json !== null;
}

function textOf(json: unknown): string {
  try {
    return JSON.stringify(json) ?? show(json);
  } catch {
    return show(json); // a BigInt, a cycle
  }
}
