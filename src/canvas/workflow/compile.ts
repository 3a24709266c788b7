/**
 * Compiles a composition to its plan: reads options and routes, checks and encodes arguments, and runs publish
 * middleware once for each task. Every error must be thrown here, before anything is sent.
 */

import type { PreparedCall } from '../../calls/call-stages.js';
import type { Sender } from '../../calls/sender.js';
import type { CallOptions } from '../../options/call-options.js';
import { allTags } from '../../options/tags.js';
import { notComposable } from '../composable.js';
import { Workflow } from '../compose.js';
import { Signature } from '../signature.js';
import type { Composable } from '../typing.js';
import {
  NOTHING_PASSED,
  optionsOfTask,
  type Passed,
  passedBy,
  passedToMembers,
  passedToStep,
} from './part-options.js';
import type { Leaf, PlanNode } from './plan.js';

/** The context of a part. */
interface CompileInput {
  /** Arguments in front of those of the tasks that begin first. */
  readonly front: readonly unknown[];
  /** True if the part begins with the value of an earlier part. */
  readonly fed: boolean;
  readonly passed: Passed;
}

/** Compiles a composition, sent with these arguments and options, to its plan. */
export function compile(
  sender: Sender,
  node: Composable,
  args: readonly unknown[],
  options: CallOptions,
): Promise<PlanNode> {
  return compileNode(sender, withOptions(node, options), { passed: NOTHING_PASSED, front: args, fed: false });
}

/** A composition with the options of the call on top of its own. */
export function withOptions(node: Composable, options: CallOptions): Composable {
  if (Object.keys(options).length === 0) return node;
  return (node as Composable & { set(options: CallOptions): Composable }).set(options);
}

/** Compiles a callback: its missing arguments come when it is called. It has the tags of what it belongs to. */
function compileCallback(sender: Sender, node: Composable, tags: readonly string[]): Promise<PlanNode> {
  const passed = tags.length === 0 ? NOTHING_PASSED : { ...NOTHING_PASSED, all: { tags } };
  return compileNode(sender, node, { passed, front: [], fed: true });
}

function compileNode(sender: Sender, node: Composable, context: CompileInput): Promise<PlanNode> {
  if (node instanceof Workflow) return compileWorkflow(sender, node, context);
  if (node instanceof Signature) return compileTask(sender, node as Signature, context);
  throw notComposable('a part of a workflow', node);
}

async function compileTask(sender: Sender, signature: Signature, context: CompileInput): Promise<Leaf> {
  const { target, immutable } = Signature.partsOf(signature);
  const fed = context.fed && !immutable;
  const args = immutable ? signature.args : [...context.front, ...signature.args];
  const call = await sender.prepare(target, args, optionsOfTask(signature.options, context.passed), !fed);
  return {
    ...leafOf(target.name, call),
    ...(immutable && { immutable }),
    ...(await callbacks(sender, signature, context.passed)),
  };
}

function leafOf(name: string, call: PreparedCall): Leaf {
  const { packed, queue, taskId, priority, fields, expires, due, trace } = call;
  return {
    kind: 'task',
    name,
    queue,
    args: JSON.parse(packed) as unknown,
    fields,
    ...(taskId !== undefined && { id: taskId }),
    ...(priority > 0 && { priority }),
    ...(trace !== undefined && { trace }),
    ...(due !== undefined && ('at' in due ? { etaAt: due.at } : { delayMs: due.inMs })),
    ...(expires !== undefined &&
      ('at' in expires ? { expiresAt: expires.at } : { expiresInMs: expires.inMs })),
  };
}

async function compileWorkflow(sender: Sender, workflow: Workflow, context: CompileInput): Promise<PlanNode> {
  const inner: CompileInput = {
    front: [...context.front, ...workflow.front],
    fed: context.fed,
    passed: passedBy(workflow.options, context.passed),
  };
  const { content } = workflow;
  const around = await callbacks(sender, workflow, context.passed);
  switch (content.kind) {
    case 'chain':
      return { ...(await sequence(sender, content.steps, inner)), ...around };
    case 'group': {
      const passed = passedToMembers(inner.passed);
      return { ...(await parallel(sender, content.members, { ...inner, passed })), ...around };
    }
    case 'chord': {
      const { passed } = inner;
      const header = await parallel(sender, content.members, {
        ...inner,
        passed: passedToStep(passed, { first: true, last: false }),
      });
      const body = await compileNode(sender, content.body, {
        passed: passedToStep(passed, { first: false, last: true }),
        front: [],
        fed: true,
      });
      return { kind: 'chain', steps: [header, body], ...around };
    }
  }
}

async function sequence(
  sender: Sender,
  steps: readonly Composable[],
  context: CompileInput,
): Promise<PlanNode> {
  const flat = flatSteps(steps);
  const nodes: PlanNode[] = [];
  for (const [i, step] of flat.entries()) {
    nodes.push(
      await compileNode(sender, step, {
        front: i === 0 ? context.front : [],
        fed: i > 0 || context.fed,
        passed: passedToStep(context.passed, { first: i === 0, last: i === flat.length - 1 }),
      }),
    );
  }
  return { kind: 'chain', steps: nodes };
}

async function parallel(
  sender: Sender,
  members: readonly Composable[],
  context: CompileInput,
): Promise<PlanNode> {
  const flat = members.flatMap((member) => flattened(member));
  return {
    kind: 'group',
    members: await Promise.all(flat.map((member) => compileNode(sender, member, context))),
  };
}

/** Splices a group directly in a group into the outer one, unless it has callbacks, options or arguments. */
function flattened(member: Composable): readonly Composable[] {
  return isPlain(member) && member.content.kind === 'group'
    ? member.content.members.flatMap(flattened)
    : [member];
}

/** Splices a chain in a chain into the outer one, unless it has callbacks, options or arguments. */
export function flatSteps(steps: readonly Composable[]): readonly Composable[] {
  return steps.flatMap((step) => (isPlainChain(step) ? flatSteps(step.content.steps) : [step]));
}

function isPlainChain(node: Composable): node is Workflow & Composable & { content: { kind: 'chain' } } {
  return isPlain(node) && node.content.kind === 'chain';
}

function isPlain(node: Composable): node is Workflow & Composable {
  if (!(node instanceof Workflow)) return false;
  const { front, options, callbacks: after } = node as Workflow;
  const bare = front.length === 0 && Object.keys(options).length === 0;
  return bare && after.links.length === 0 && after.errbacks.length === 0;
}

async function callbacks(
  sender: Sender,
  node: Signature | Workflow,
  { all }: Passed,
): Promise<Pick<Leaf, 'links' | 'errbacks'>> {
  const { links, errbacks } =
    node instanceof Signature ? Signature.partsOf(node as Signature).callbacks : node.callbacks;
  const tags = allTags(all.tags, node.options.tags);
  const [compiledLinks, compiledErrbacks] = await Promise.all(
    [links, errbacks].map((list) =>
      Promise.all(list.map((callback) => compileCallback(sender, callback, tags))),
    ),
  );
  return {
    ...(compiledLinks !== undefined && compiledLinks.length > 0 && { links: compiledLinks }),
    ...(compiledErrbacks !== undefined && compiledErrbacks.length > 0 && { errbacks: compiledErrbacks }),
  };
}
