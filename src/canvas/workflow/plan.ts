/**
 * The plan of a workflow: what runs after what, as pure data that never changes once it is sent. It is stored in the
 * workflow's record, with every signature once. A part is named by its path: `0` is the whole, `0.2` its third step
 * or member, `0.2.l0` the first link of that part and `0.2.e0` its first errback.
 */
import type { IdClaim } from '../../coordination/task-id-index.js';
import { partId } from '../../protocol/ids.js';
import type { Message } from '../../protocol/message.js';

/** The fields of a part's message besides its arguments, as far as known beforehand. */
export type LeafFields = Omit<Message, 'v' | 'args' | 'flow' | 'input' | 'expires' | 'eta'>;

/** One task. */
export interface Leaf {
  readonly kind: 'task';
  readonly name: string;
  /** The queue of its job, or the task's lane there. */
  readonly queue: string;
  /** The encoded arguments. */
  readonly args: unknown;
  /** The caller's own id. */
  readonly id?: string;
  /** True if it takes no argument from the previous part. */
  readonly immutable?: true;
  readonly fields: LeafFields;
  readonly priority?: number;
  /** The trace of the call that sent the workflow. */
  readonly trace?: string;
  /** Counts from the moment its turn comes. */
  readonly delayMs?: number;
  readonly etaAt?: number;
  readonly expiresAt?: number;
  readonly expiresInMs?: number;
  readonly links?: readonly PlanNode[];
  readonly errbacks?: readonly PlanNode[];
}

/** Steps in sequence. */
export interface Sequence {
  readonly kind: 'chain';
  readonly steps: readonly PlanNode[];
  readonly links?: readonly PlanNode[];
  readonly errbacks?: readonly PlanNode[];
}

/** Members in parallel. A chord is a chain of its header and its body. */
export interface Parallel {
  readonly kind: 'group';
  readonly members: readonly PlanNode[];
  readonly links?: readonly PlanNode[];
  readonly errbacks?: readonly PlanNode[];
}

export type PlanNode = Leaf | Sequence | Parallel;

/** A whole workflow. */
export interface Plan {
  readonly v: 1;
  readonly root: PlanNode;
  /** When it was sent, epoch ms of the broker's clock. */
  readonly sentAt: number;
  /** Members that running tasks added to groups, by path; not stored with the plan. */
  readonly added?: ReadonlyMap<string, PlanNode>;
  /** The task it replaces: its end is that task's end, and its tasks belong to that task's group. */
  readonly replaces?: {
    readonly jobId: string;
    readonly queue: string;
    readonly group?: { readonly group: string; readonly index?: number };
  };
}

/** The path of the whole. */
export const ROOT = '0';

/** The node at a path; undefined if the plan has none. */
export function nodeAt(plan: Plan, path: string): PlanNode | undefined {
  const [root = '', ...segments] = path.split('.');
  let node: PlanNode | undefined = plan.root;
  let at = root;
  for (const segment of segments) {
    if (node === undefined) return undefined;
    at += `.${segment}`;
    node = childOf(node, segment) ?? plan.added?.get(at);
  }
  return node;
}

function childOf(node: PlanNode, segment: string): PlanNode | undefined {
  if (segment.startsWith('l')) return node.links?.[Number(segment.slice(1))];
  if (segment.startsWith('e')) return node.errbacks?.[Number(segment.slice(1))];
  if (node.kind === 'chain') return node.steps[Number(segment)];
  if (node.kind === 'group') return node.members[Number(segment)];
  return undefined;
}

/**
 * The position of a part in its parent; undefined for the whole, and for links and errbacks, which end nothing else.
 */
export function placeOf(path: string): { readonly parent: string; readonly index: number } | undefined {
  const dot = path.lastIndexOf('.');
  if (dot < 0) return undefined;
  const last = path.slice(dot + 1);
  return isCallback(last) ? undefined : { parent: path.slice(0, dot), index: Number(last) };
}

/** The parts around a part, innermost first, up to the whole or to a link or errback. */
export function ancestors(path: string): string[] {
  const around: string[] = [];
  for (let place = placeOf(path); place !== undefined; place = placeOf(place.parent))
    around.push(place.parent);
  return around;
}

/** The step before a part; undefined for a first one. */
export function stepBefore(plan: Plan, path: string): string | undefined {
  for (let place = placeOf(path); place !== undefined; place = placeOf(place.parent)) {
    if (place.index > 0 && nodeAt(plan, place.parent)?.kind === 'chain')
      return `${place.parent}.${place.index - 1}`;
  }
  return undefined;
}

function isCallback(segment: string): boolean {
  return segment.startsWith('l') || segment.startsWith('e');
}

/** A task to send, or a group without members, which has ended before it begins. */
export type Start =
  | {
      readonly kind: 'task';
      readonly path: string;
      readonly leaf: Leaf;
      readonly group: GroupPlace | undefined;
    }
  | { readonly kind: 'empty'; readonly path: string };

/** The group a task belongs to. */
export interface GroupPlace {
  readonly path: string;
  readonly index: number;
}

/** The tasks and groups that begin when a part begins. */
export function starts(node: PlanNode, path: string, group?: GroupPlace): Start[] {
  switch (node.kind) {
    case 'task':
      return [{ kind: 'task', path, leaf: node, group }];
    case 'chain': {
      const [first] = node.steps;
      return first === undefined ? [{ kind: 'empty', path }] : starts(first, `${path}.0`, group);
    }
    case 'group':
      if (node.members.length === 0) return [{ kind: 'empty', path }];
      return node.members.flatMap((member, index) => starts(member, `${path}.${index}`, { path, index }));
  }
}

/** The innermost group around a part, as a member or as a step of a member. */
export function groupOf(plan: Plan, path: string): GroupPlace | undefined {
  for (let place = placeOf(path); place !== undefined; place = placeOf(place.parent)) {
    if (nodeAt(plan, place.parent)?.kind === 'group') return { path: place.parent, index: place.index };
  }
  return undefined;
}

/** All tasks of a part, in order, with their paths; callbacks only if requested. */
export function* leaves(node: PlanNode, path: string, callbacks = false): Generator<[string, Leaf]> {
  if (node.kind === 'task') yield [path, node];
  else {
    const inner = node.kind === 'chain' ? node.steps : node.members;
    for (const [i, child] of inner.entries()) yield* leaves(child, `${path}.${i}`, callbacks);
  }
  if (!callbacks) return;
  for (const [i, link] of (node.links ?? []).entries()) yield* leaves(link, `${path}.l${i}`, true);
  for (const [i, errback] of (node.errbacks ?? []).entries()) yield* leaves(errback, `${path}.e${i}`, true);
}

/** True if a part leaves no result: a task sent so, or a part whose value comes only from such tasks. */
export function leavesNoResult(node: PlanNode): boolean {
  if (node.kind === 'task') return node.fields.ignore === true;
  if (node.kind === 'group') return node.members.length > 0 && node.members.every(leavesNoResult);
  const last = node.steps.at(-1);
  return last !== undefined && leavesNoResult(last);
}

/** The paths of all groups of a part, callbacks included. */
export function* groupsIn(node: PlanNode, path: string): Generator<string> {
  if (node.kind === 'group') yield path;
  for (const [segment, child] of children(node)) yield* groupsIn(child, `${path}.${segment}`);
}

function children(node: PlanNode): [segment: string, child: PlanNode][] {
  const inner = node.kind === 'chain' ? node.steps : node.kind === 'group' ? node.members : [];
  return [
    ...inner.map((child, i): [string, PlanNode] => [`${i}`, child]),
    ...(node.links ?? []).map((child, i): [string, PlanNode] => [`l${i}`, child]),
    ...(node.errbacks ?? []).map((child, i): [string, PlanNode] => [`e${i}`, child]),
  ];
}

/** The whole with members added to one of its groups. */
export function withMembers(root: PlanNode, path: string, more: readonly PlanNode[]): PlanNode {
  return changedAt(root, path.split('.').slice(1), (node) =>
    node.kind === 'group' ? { ...node, members: [...node.members, ...more] } : node,
  );
}

/** The whole with one part changed, the one at these path segments. */
export function changedAt(
  node: PlanNode,
  [segment, ...rest]: readonly string[],
  change: (node: PlanNode) => PlanNode,
): PlanNode {
  if (segment === undefined) return change(node);
  const inside = (list: readonly PlanNode[] = [], at: string) =>
    list.map((child, i) => (`${i}` === at ? changedAt(child, rest, change) : child));
  if (segment.startsWith('l')) return { ...node, links: inside(node.links, segment.slice(1)) };
  if (segment.startsWith('e')) return { ...node, errbacks: inside(node.errbacks, segment.slice(1)) };
  if (node.kind === 'chain') return { ...node, steps: inside(node.steps, segment) };
  if (node.kind === 'group') return { ...node, members: inside(node.members, segment) };
  return node;
}

/** The part that gives a part its value: the last step of the last step …; a task or a group. */
export function finalOf(node: PlanNode, path: string): string {
  if (node.kind !== 'chain' || node.steps.length === 0) return path;
  const last = node.steps.length - 1;
  const step = node.steps[last];
  return step === undefined ? path : finalOf(step, `${path}.${last}`);
}

/** The first task of a part. */
export function firstOf(node: PlanNode, path: string): string | undefined {
  for (const [at] of leaves(node, path)) return at;
  return undefined;
}

/** The id under which people know a part. */
export function idOf(flow: string, path: string, node: PlanNode | undefined): string {
  if (node?.kind !== 'task') return partId(flow, path);
  return node.id ?? partId(flow, path, node.queue);
}

/** The id of a part's job. */
export function jobIdOf(flow: string, path: string, leaf: Leaf): string {
  return partId(flow, path, leaf.queue);
}

/** The callers' own ids in a part, callbacks included. */
export function customIds(flow: string, node: PlanNode, path: string): IdClaim[] {
  const found: IdClaim[] = [];
  for (const [at, leaf] of leaves(node, path, true))
    if (leaf.id !== undefined) found.push({ id: leaf.id, queue: leaf.queue, jobId: jobIdOf(flow, at, leaf) });
  return found;
}

/**
 * True if the workflow goes on after its outcome is final: by callbacks that read their path, or their value, from
 * its record.
 */
export function goesOn(node: PlanNode): boolean {
  const callbacks = [...(node.links ?? []), ...(node.errbacks ?? [])];
  if (callbacks.some((callback) => callback.kind !== 'task' || hasCallbacks(callback))) return true;
  if (node.links !== undefined && givesList(node)) return true;
  if (node.kind === 'task') return false;
  return (node.kind === 'chain' ? node.steps : node.members).some(goesOn);
}

function hasCallbacks({ links, errbacks }: PlanNode): boolean {
  return links !== undefined || errbacks !== undefined;
}

/** True if its value is the list of a group, which is read from the record. */
function givesList(node: PlanNode): boolean {
  const final = finalOf(node, ROOT);
  return nodeAt({ v: 1, root: node, sentAt: 0 }, final)?.kind === 'group';
}

/** True if members may go on beside a failed one. */
export function hasGroups(node: PlanNode): boolean {
  return !groupsIn(node, ROOT).next().done;
}

/** The sum of all delays in a plan, ms, as if its parts ran in sequence. */
export function delaysIn(node: PlanNode, now: number): number {
  let ms = 0;
  for (const [, { delayMs = 0, etaAt = now }] of leaves(node, ROOT, true))
    ms += Math.max(delayMs, etaAt - now, 0);
  return ms;
}
