/** The values of a workflow's parts, read from its record. The values of a group are read in bounded batches. */
import type { Engine } from '../../broker/broker.js';
import type { FlowInput } from '../../protocol/message.js';
import { decodeFailure, type ErrorClasses } from '../../protocol/wire-error.js';
import { encodedList, encodeResult } from '../../tasks/serializer.js';
import { isSpliced, memberPaths } from './advance.js';
import { nodeAt, type Plan } from './plan.js';
import type { PlanCache } from './plan-cache.js';
import { type Ending, readEnding } from './record.js';

const BATCH = 500;

export class WorkflowValues {
  constructor(
    private readonly engine: Engine,
    private readonly plans: PlanCache,
  ) {}

  /** The value of a part that succeeded; undefined if it has none (any more). */
  async read(flow: string, plan: Plan, path: string): Promise<FlowInput | undefined> {
    const [ending] = await this.#endings(flow, [path]);
    return ending === undefined ? undefined : this.of(flow, plan, path, ending);
  }

  /** The value that an ending refers to. */
  async of(flow: string, plan: Plan, path: string, ending: Ending): Promise<FlowInput | undefined> {
    if ('s' in ending) return { value: ending.s };
    if ('at' in ending) return this.read(flow, plan, ending.at);
    if (!('g' in ending)) return undefined;
    const node = nodeAt(plan, path);
    // Members may have been added that this process does not know yet.
    const grown = node?.kind !== 'group' || node.members.length !== ending.g;
    const known = grown ? ((await this.plans.whole(flow)) ?? plan) : plan;
    const paths = memberPaths(path, ending.g);
    const endings = await this.#endings(flow, paths);
    const list: FlowInput[] = [];
    for (const [i, member] of endings.entries()) {
      const at = paths[i] ?? path;
      if (member === undefined) return undefined;
      const value = 's' in member ? { value: member.s } : await this.of(flow, known, at, member);
      if (value === undefined) return undefined;
      if (isSpliced(known, at) && 'list' in value) list.push(...value.list);
      else list.push(value);
    }
    return { list };
  }

  async #endings(flow: string, paths: readonly string[]): Promise<(Ending | undefined)[]> {
    const found: (Ending | undefined)[] = [];
    for (let i = 0; i < paths.length; i += BATCH) {
      const [texts = []] = await this.engine.flows.read([{ flow, fields: paths.slice(i, i + BATCH) }]);
      found.push(...texts.map(readEnding));
    }
    return found;
  }
}

/** How to decode values and errors. */
export interface InputDecoding {
  decodeResult(encoded: unknown): unknown;
  readonly classes: ErrorClasses;
}

/** The arguments a part gets from earlier parts: one value or, for an errback, the request and the error. */
export function decodeInputs(input: FlowInput, decoding: InputDecoding): unknown[] {
  if (!('request' in input)) return [decodeInput(input, decoding)];
  const request = decoding.decodeResult(input.request);
  return [request, decodeFailure(input.error, decoding.classes, taskOf(request))];
}

/** The task of a request. */
function taskOf(request: unknown): string | undefined {
  if (typeof request !== 'object' || request === null || !('name' in request)) return undefined;
  return typeof request.name === 'string' ? request.name : undefined;
}

/** Decodes a value, or a list of values. */
function decodeInput(input: FlowInput, decoding: InputDecoding): unknown {
  if ('list' in input) return input.list.map((member) => decodeInput(member, decoding));
  return 'value' in input ? decoding.decodeResult(input.value) : undefined;
}

/** A value as a result stores it, or a list of values as one, without decoding any. */
export function encodedInput(input: FlowInput): unknown {
  if ('list' in input) return encodedList(input.list.map(encodedInput));
  return 'value' in input ? input.value : encodeResult(undefined);
}
