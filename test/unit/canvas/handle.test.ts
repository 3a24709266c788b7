import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { Celeriac, CeleriacError, chain, chord, GroupResult, group, OptionError, states } from 'celeriac';
import { rejection } from '../../support/app.js';

type AnyNode = { toJSON(): unknown; readonly '~result': unknown };

function appOf(t: { after(fn: () => Promise<void>): void }): Celeriac {
  const app = new Celeriac('handles', { broker: 'redis://user:secret@127.0.0.1:1/0', taskAlwaysEager: true });
  t.after(() => app.close());
  return app;
}

describe('A handle', () => {
  it('lets a test put a spy in place of a method', async (t) => {
    const app = appOf(t);
    const add = app.task('add', async (a: number, b: number) => a + b);
    const spy = t.mock.method(add, 'delay', async () => 'spied' as never);
    assert.equal(await add.delay(1, 2), 'spied');
    assert.deepEqual(spy.mock.calls[0]?.arguments, [1, 2]);
    spy.mock.restore();
    assert.equal(await (await add.delay(1, 2)).get(), 3);
  });
});

describe('What is shown', () => {
  it('of an app is its name, broker and tasks, without the password', (t) => {
    const app = appOf(t);
    app.task('add', async () => 1);
    assert.equal(
      inspect(app),
      "Celeriac { name: 'handles', broker: 'redis://127.0.0.1:1/0', tasks: [ 'add' ] }",
    );
  });

  it('of signatures and workflows is what they call', (t) => {
    const app = appOf(t);
    const add = app.task('add', async (a: number, b: number) => a + b);
    const sum = app.task('sum', async (all: number[]) => all.length);
    assert.equal(inspect(add.s(1, 2)), 'Signature add(1, 2)');
    assert.equal(inspect(add.s(1).set({ queue: 'q' })), "Signature add(1) { queue: 'q' }");
    assert.equal(inspect(chain(add.s(1, 2), add.s(3))), 'chain [ Signature add(1, 2), Signature add(3) ]');
    assert.equal(
      inspect(chord([add.s(1, 2)], sum.s())),
      'chord [ Signature add(1, 2) ] body Signature sum()',
    );
  });

  it('of a result has the name of its class', async () => {
    assert.match(inspect(await group().delay()), /^GroupResult \{/);
    assert.equal(GroupResult.name, 'GroupResult');
  });
});

describe('app.signature', () => {
  it('gives a signature or workflow back as it is', (t) => {
    const app = appOf(t);
    const add = app.task('add', async (a: number, b: number) => a + b);
    const flow = chain(add.s(1, 2), add.s(3));
    assert.equal(app.signature(add.s(1, 2)).toJSON().task, 'add');
    assert.deepEqual(app.signature(flow).toJSON(), flow.toJSON());
    assert.throws(
      () => app.signature(add.delay as never),
      /^OptionError: app\.signature: expected the JSON of .* got the function delay/,
    );
  });
});

describe('Wrong use', () => {
  it('is an error of ours, never a TypeError', async (t) => {
    const app = appOf(t);
    const add = app.task('add', async (a: number, b: number) => a + b);
    const result = app.result('x');
    for (const options of [{ onUpdate: 5 }, { signal: 5 }, { propagate: 1 }, { allowJoin: 'yes' }, null]) {
      assert((await rejection(result.get(options as never))) instanceof OptionError, inspect(options));
      assert((await rejection((await add.delay(1, 2)).get(options as never))) instanceof OptionError);
      assert((await rejection((await group().delay()).get(options as never))) instanceof OptionError);
    }
    for (const ids of [undefined, null, 5, [undefined]])
      assert((await rejection(app.control.revoke(ids as never))) instanceof OptionError, String(ids));
    assert.throws(
      () => new Celeriac('x', { broker: ['redis://a', 'redis://b'] }),
      /one URL, not a list of 2/,
    );
  });

  it('of nesting is told where a level too many is put around', (t) => {
    const app = appOf(t);
    const add = app.task('add', async (a: number, b: number) => a + b);
    const deep = (levels: number, around: (node: AnyNode) => AnyNode): AnyNode => {
      let node: AnyNode = add.si(1, 2);
      for (let i = 0; i < levels; i++) node = around(node);
      return node;
    };
    for (const around of [
      (node: AnyNode) => chain(group(node, add.si(1, 2)), add.si(1, 2)) as AnyNode,
      (node: AnyNode) => add.si(1, 2).link(node as never) as AnyNode,
    ]) {
      assert.throws(() => deep(3_000, around), {
        name: 'OptionError',
        message: /nested more than 1000 deep/,
      });
      const json: unknown = JSON.parse(JSON.stringify(deep(200, around)));
      assert.deepEqual(JSON.parse(JSON.stringify(app.signature(json as never))), json);
    }
    let json: object = { task: 'add', args: [] };
    for (let i = 0; i < 3_000; i++) json = { chain: [json] };
    assert.throws(() => app.signature(json as never), OptionError);
  });

  it('of the sets of states changes nothing', () => {
    assert.throws(() => (states.READY as Set<string>).add('X'), CeleriacError);
    assert.throws(() => (states.READY as Set<string>).delete('SUCCESS'), CeleriacError);
    assert.throws(() => (states.READY as Set<string>).clear(), CeleriacError);
    assert.deepEqual([...states.READY], ['SUCCESS', 'FAILURE', 'REVOKED']);
    assert(Object.isFrozen(states));
  });
});
