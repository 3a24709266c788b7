/**
 * Caches the plans of the workflows in this process. Each is read once, since plans never change. Members added by
 * running tasks are read on demand.
 */
import { LRUCache } from 'lru-cache';
import { type Engine, PLAN } from '../../broker/broker.js';
import { groupsIn, nodeAt, type Plan, type PlanNode, placeOf, ROOT, withMembers } from './plan.js';
import { addedField, extraField } from './record.js';

/** Most plan text kept, in characters; the least recently used goes first. */
const KEPT_CHARS = 16_000_000;
/** Overhead of a plan besides its text (measured: 2 kB for one of two tasks), in characters. */
const EACH_CHARS = 2000;

interface Kept {
  readonly plan: Plan & { readonly added: Map<string, PlanNode> };
  /** Size of the plan and of its added members. */
  chars: number;
}

export class PlanCache {
  readonly #kept = new LRUCache<string, Kept>({
    maxSize: KEPT_CHARS,
    sizeCalculation: ({ chars }) => EACH_CHARS + chars,
  });
  readonly #reading = new Map<string, Promise<Plan | undefined>>();

  constructor(private readonly engine: Engine) {}

  /** The plan of a workflow; undefined when it is no longer kept. */
  get(flow: string): Plan | undefined | Promise<Plan | undefined> {
    const kept = this.#kept.get(flow);
    if (kept !== undefined) return kept.plan;
    const reading = this.#reading.get(flow) ?? this.#read(flow);
    this.#reading.set(flow, reading);
    return reading;
  }

  /** The plan with all members on the way to a path; synchronous if these were read before. */
  upTo(flow: string, path: string): Plan | undefined | Promise<Plan | undefined> {
    const plan = this.get(flow);
    // Usually cached, so a part that succeeds need not wait for a promise.
    if (plan instanceof Promise || plan === undefined || nodeAt(plan, path) === undefined)
      return this.#readUpTo(flow, path);
    return plan;
  }

  async #readUpTo(flow: string, path: string): Promise<Plan | undefined> {
    let plan = await this.get(flow);
    // An added member may contain groups, to which members were added in turn.
    while (plan !== undefined && nodeAt(plan, path) === undefined) {
      const further = await this.#withMember(flow, plan, path);
      if (further === undefined) return plan;
      plan = further;
    }
    return plan;
  }

  /** The plan with the first unknown member on the way to a path; undefined if there is none. */
  async #withMember(flow: string, plan: Plan, path: string): Promise<Plan | undefined> {
    const at = firstUnknown(plan, path);
    const place = at === undefined ? undefined : placeOf(at);
    const group = place === undefined ? undefined : nodeAt(plan, place.parent);
    if (at === undefined || place === undefined || group?.kind !== 'group') return undefined;
    const field = addedField(place.parent, place.index - group.members.length);
    const [[text] = []] = await this.engine.flows.read([{ flow, fields: [field] }]);
    if (text === undefined) return undefined;
    const node = readMember(text);
    this.added(flow, at, node, text.length);
    return { ...plan, added: new Map([...(plan.added ?? []), [at, node]]) };
  }

  /** The plan with all members added to its groups so far. */
  async whole(flow: string): Promise<Plan | undefined> {
    const plan = await this.get(flow);
    if (plan === undefined) return undefined;
    let root = plan.root;
    // Added members may contain groups with added members of their own.
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

  /**
   * Notes a member added to a group.
   * @param chars length of its text
   */
  added(flow: string, path: string, node: PlanNode, chars: number): void {
    const kept = this.#kept.get(flow);
    if (kept === undefined || kept.plan.added.has(path)) return;
    kept.plan.added.set(path, node);
    kept.chars += chars;
    this.#kept.set(flow, kept, { size: EACH_CHARS + kept.chars });
  }

  /** Keeps the plan of a workflow as it is stored, since every part is read from it. */
  keep(flow: string, plan: Plan, chars: number): void {
    this.#kept.set(flow, { plan: { ...plan, added: new Map() }, chars });
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

/** The first part on the way to a path that is missing in the plan. */
function firstUnknown(plan: Plan, path: string): string | undefined {
  for (let dot = path.indexOf('.'); dot >= 0; dot = path.indexOf('.', dot + 1)) {
    const at = path.slice(0, dot);
    if (nodeAt(plan, at) === undefined) return at;
  }
  return nodeAt(plan, path) === undefined ? path : undefined;
}

function readMember(text: string): PlanNode {
  return (JSON.parse(text) as { node: PlanNode }).node;
}
