/**
 * The plans of the workflows this process works on, read once each: they never change. Members that running tasks added
 * to their groups are read when they are met.
 */
import { type Engine, PLAN } from '../broker/engine.js';
import { addedField, extraField } from './flow-record.js';
import { groupsIn, nodeAt, type Plan, type PlanNode, placeOf, ROOT, withMembers } from './plan.js';

/** So much plan text is kept, least recently used first to go. */
const KEPT_CHARS = 16_000_000;

interface Kept {
  readonly plan: Plan & { readonly added: Map<string, PlanNode> };
  readonly chars: number;
}

export class Plans {
  readonly #kept = new Map<string, Kept>();
  readonly #reading = new Map<string, Promise<Plan | undefined>>();
  #chars = 0;

  constructor(private readonly engine: Engine) {}

  /** The plan of a workflow; undefined when it is no longer kept. */
  get(flow: string): Plan | undefined | Promise<Plan | undefined> {
    const kept = this.#kept.get(flow);
    if (kept !== undefined) {
      this.#kept.delete(flow);
      this.#kept.set(flow, kept);
      return kept.plan;
    }
    const reading = this.#reading.get(flow) ?? this.#read(flow);
    this.#reading.set(flow, reading);
    return reading;
  }

  /** The plan with everything known that the path leads to; at once where that has been read before. */
  upTo(flow: string, path: string): Plan | undefined | Promise<Plan | undefined> {
    const plan = this.get(flow);
    // Mostly it is here, and a part that ends well need not wait for a promise of it.
    if (plan instanceof Promise || plan === undefined || nodeAt(plan, path) === undefined)
      return this.#readUpTo(flow, path);
    return plan;
  }

  async #readUpTo(flow: string, path: string): Promise<Plan | undefined> {
    const plan = await this.get(flow);
    if (plan === undefined || nodeAt(plan, path) !== undefined) return plan;
    for (let at = path, place = placeOf(at); place !== undefined; at = place.parent, place = placeOf(at)) {
      const group = nodeAt(plan, place.parent);
      if (group?.kind !== 'group') continue;
      const [[text] = []] = await this.engine.flows.read([
        { flow, fields: [addedField(place.parent, place.index - group.members.length)] },
      ]);
      if (text === undefined) continue;
      const node = readMember(text);
      this.added(flow, at, node);
      return { ...plan, added: new Map([...(plan.added ?? []), [at, node]]) };
    }
    return plan;
  }

  /** The plan with all members that were added to its groups so far. */
  async whole(flow: string): Promise<Plan | undefined> {
    const plan = await this.get(flow);
    if (plan === undefined) return undefined;
    let root = plan.root;
    // What is added may have groups of its own, and those members of theirs.
    for (let seen = new Set<string>(); ; ) {
      const groups = [...groupsIn(root, ROOT)].filter((path) => !seen.has(path));
      if (groups.length === 0) return { ...plan, root };
      seen = new Set([...seen, ...groups]);
      const [counts = []] = await this.engine.flows.read([{ flow, fields: groups.map(extraField) }]);
      for (const [i, path] of groups.entries()) {
        const extra = Number(counts[i] ?? 0);
        if (extra > 0) root = withMembers(root, path, await this.#members(flow, path, extra));
      }
    }
  }

  async #members(flow: string, group: string, extra: number): Promise<PlanNode[]> {
    const fields = Array.from({ length: extra }, (_, i) => addedField(group, i));
    const [texts = []] = await this.engine.flows.read([{ flow, fields }]);
    return texts.flatMap((text) => (text === undefined ? [] : [readMember(text)]));
  }

  /** Notes a member that was added to a group. */
  added(flow: string, path: string, node: PlanNode): void {
    this.#kept.get(flow)?.plan.added.set(path, node);
  }

  /** Keeps the plan of a workflow that is being sent. */
  keep(flow: string, plan: Plan, chars: number): void {
    if (chars > KEPT_CHARS) return;
    this.#kept.set(flow, { plan: { ...plan, added: new Map() }, chars });
    this.#chars += chars;
    for (const [oldest, { chars: size }] of this.#kept) {
      if (this.#chars <= KEPT_CHARS) break;
      this.#kept.delete(oldest);
      this.#chars -= size;
    }
  }

  async #read(flow: string): Promise<Plan | undefined> {
    try {
      const [[text] = []] = await this.engine.flows.read([{ flow, fields: [PLAN] }]);
      if (text === undefined) return undefined;
      const plan = JSON.parse(text) as Plan;
      this.keep(flow, plan, text.length);
      return this.#kept.get(flow)?.plan ?? plan;
    } finally {
      this.#reading.delete(flow);
    }
  }
}

function readMember(text: string): PlanNode {
  return (JSON.parse(text) as { node: PlanNode }).node;
}
