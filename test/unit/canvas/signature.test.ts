import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { NO_CALLBACKS, Signature } from '#src/canvas/signature.js';
import type { CallTarget } from '#src/tasks/registry.js';

/** A sender that only remembers what it was asked to send. */
function remembering() {
  const sent: unknown[] = [];
  const sender = {
    send: async (target: { name: string }, args: readonly unknown[], options: object) => {
      sent.push([target.name, args, options]);
    },
  };
  const target = { name: 'add' } as CallTarget;
  const sign = (args: unknown[], options = {}, immutable = false) =>
    new Signature({ launcher: sender as never, target, immutable, callbacks: NO_CALLBACKS }, args, options);
  return { sent, sign };
}

describe('A signature', () => {
  it('is JSON: its task, the arguments so far, its options, and whether it is immutable', () => {
    const { sign } = remembering();
    assert.deepEqual(sign([1]).toJSON(), { task: 'add', args: [1], options: {} });
    assert.deepEqual(sign([1], { priority: 2 }, true).toJSON(), {
      task: 'add',
      args: [1],
      options: { priority: 2 },
      immutable: true,
    });
  });

  it('never changes: set and clone give others', () => {
    const { sign } = remembering();
    const first = sign([2], { queue: 'a', priority: 1 });
    const second = first.set({ priority: 5 });
    const third = second.clone([1]);
    assert.deepEqual([first.args, first.options], [[2], { queue: 'a', priority: 1 }]);
    assert.deepEqual([second.args, second.options], [[2], { queue: 'a', priority: 5 }]);
    assert.deepEqual([third.args, third.options], [[1, 2], { queue: 'a', priority: 5 }]);
    assert.throws(() => Object.assign(first, { args: [] }), TypeError);
    assert.throws(() => (first.args as unknown[]).push(3), TypeError);
    assert.throws(() => Object.assign(first.options, { priority: 9 }), TypeError);
  });

  it('takes other arguments instead of its own, and keeps the rest', () => {
    const { sign } = remembering();
    const first = sign([2], { queue: 'a' });
    const other = first.withArgs(3, 4);
    assert.deepEqual([first.args, other.args, other.options], [[2], [3, 4], { queue: 'a' }]);
    assert.deepEqual(first.withArgs().args, []);
  });

  it('leaves the lists and options it was made from to their owner', () => {
    const { sign } = remembering();
    const [args, options] = [[1], { priority: 1 }];
    const signature = sign(args, options);
    args.push(2);
    options.priority = 7;
    assert.deepEqual([signature.args, signature.options], [[1], { priority: 1 }]);
  });

  it('is sent with arguments in front and options on top, as often as wanted', async () => {
    const { sent, sign } = remembering();
    const signature = sign([2], { priority: 1, queue: 'a' });
    await signature.delay(1);
    await signature.applyAsync([0, 1], { priority: 9 });
    await signature.applyAsync();
    assert.deepEqual(sent, [
      ['add', [1, 2], { priority: 1, queue: 'a' }],
      ['add', [0, 1, 2], { priority: 9, queue: 'a' }],
      ['add', [2], { priority: 1, queue: 'a' }],
    ]);
  });
});
