import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Celeriac, chain, chord, group } from 'celeriac';
import type { Sender } from '#src/calls/sender.js';
import type { Composable } from '#src/canvas/typing.js';
import { compile, withOptions } from '#src/canvas/workflow/compile.js';
import type { PlanNode } from '#src/canvas/workflow/plan.js';

const app = new Celeriac('compile', { broker: 'redis://127.0.0.1:1/0' });
const [a, b, c] = ['a', 'b', 'c'].map((name) => app.task(name, (...args: unknown[]) => args)) as [
  ReturnType<typeof app.task>,
  ReturnType<typeof app.task>,
  ReturnType<typeof app.task>,
];

/** The plan, and of each task whether its arguments were checked as complete. */
async function compiled(node: unknown, args: unknown[] = [], options: object = {}) {
  const checked: Record<string, boolean> = {};
  const sender = {
    prepare: async (
      { name }: { name: string },
      given: unknown[],
      own: { queue?: string },
      complete: boolean,
    ) => {
      checked[name] = complete;
      return { packed: JSON.stringify(given), queue: own.queue ?? 'q', priority: 0, fields: {} };
    },
  } as unknown as Sender;
  return { plan: await compile(sender, node as Composable, args, options), checked };
}

/** A plan as one line: `a(1)`, `[steps]` and `{members}`, with links behind `>` and errbacks behind `!`. */
function text(node: PlanNode): string {
  const inside =
    node.kind === 'task'
      ? `${node.name}(${(node.args as unknown[]).join()})${node.immutable ? 'i' : ''}`
      : node.kind === 'chain'
        ? `[${node.steps.map(text).join(' ')}]`
        : `{${node.members.map(text).join(' ')}}`;
  const after = (mark: string, nodes: readonly PlanNode[] = []) =>
    nodes.map((one) => mark + text(one)).join('');
  return inside + after('>', node.links) + after('!', node.errbacks);
}

const line = async (node: unknown, args?: unknown[]) => text((await compiled(node, args)).plan);

describe('The plan of a composition', () => {
  it('is flat where a chain is a step of a chain, or a group a member of a group', async () => {
    assert.equal(await line(chain(a.s(1), chain(b.s(), chain(c.s())))), '[a(1) b() c()]');
    assert.equal(await line(group(a.s(), group(b.s(), group(c.s())))), '{a() b() c()}');
    assert.equal(await line(chain(a.s(), group(b.s(), c.s()))), '[a() {b() c()}]');
  });

  it('keeps an inner one apart that has callbacks or options of its own', async () => {
    assert.equal(await line(chain(a.s(), chain(b.s(), c.s()).link(a.s()))), '[a() [b() c()]>a()]');
    assert.equal(await line(chain(a.s(), chain(b.s(), c.s()).set({ queue: 'other' }))), '[a() [b() c()]]');
  });

  it('has a chord as its header and its body', async () => {
    assert.equal(await line(chord([a.s(1), b.s(2)], c.s())), '[{a(1) b(2)} c()]');
  });

  it('gives the arguments of the call to those that begin, but not to the immutable', async () => {
    assert.equal(await line(chain(a.s(1), b.s(2)), ['x']), '[a(x,1) b(2)]');
    assert.equal(
      await line(group(a.s(1), b.si(2), chain(c.s(3), a.s())), ['x']),
      '{a(x,1) b(2)i [c(x,3) a()]}',
    );
  });

  it('compiles callbacks, whose arguments come when they are called', async () => {
    const { plan, checked } = await compiled(
      a
        .s(1)
        .link(b.s())
        .onError(c.s() as never),
    );
    assert.equal(text(plan), 'a(1)>b()!c()');
    assert.deepEqual(checked, { a: true, b: false, c: false });
  });

  it('checks arguments as complete where nothing comes in front of them', async () => {
    assert.deepEqual((await compiled(chain(a.s(1), b.s(2), c.si(3)))).checked, {
      a: true,
      b: false,
      c: true,
    });
  });

  it('refuses a part that is nothing of the kind', async () => {
    await assert.rejects(compiled({}), { code: 'OPTION' });
  });
});

describe('The options of the call', () => {
  it('come on top of those of the composition; without any it is the same', async () => {
    const node = a.s(1) as unknown as Composable;
    assert.equal(withOptions(node, {}), node);
    const { plan } = await compiled(a.s(1).set({ queue: 'own' }), [], { queue: 'call' });
    assert.ok(plan.kind === 'task' && plan.queue === 'call');
  });
});
