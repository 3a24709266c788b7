/** What comes in over the bus is read before anything is done with it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CommandHandlers } from '#src/control/commands.js';
import { readArgs, readReply, readRequest } from '#src/control/requests.js';
import { handle } from '#src/control/responder.js';

/** Handlers that only remember what they were called with. */
function remembering() {
  const calls: unknown[] = [];
  const note = (name: string) => (args: unknown) => {
    calls.push([name, args]);
    return { ok: 'done' };
  };
  const handlers = Object.fromEntries(
    [
      'loglevel',
      'poolGrow',
      'poolShrink',
      'autoscale',
      'addConsumer',
      'timeLimit',
      'rateLimit',
      'revoke',
      'queryTask',
    ].map((name) => [name, note(name)]),
  ) as unknown as CommandHandlers;
  return { calls, handlers };
}

describe('a request', () => {
  const wrong: readonly (readonly [string, object, RegExp])[] = [
    ['loglevel', { level: 'x' }, /level "x" is none of debug, info, warn, error/],
    ['loglevel', {}, /level undefined/],
    ['poolGrow', { n: '1e9' }, /n "1e9" must be a whole number of 1 or more/],
    ['poolShrink', { n: -4 }, /n -4/],
    ['autoscale', { max: 1, min: 2 }, /min 2 is above max 1/],
    ['autoscale', { max: Number.NaN, min: 0 }, /max NaN/],
    ['addConsumer', { queue: 'a:b' }, /queue: "a:b" is not a queue name/],
    ['addConsumer', { queue: 'mail', concurrency: 0.5 }, /concurrency 0\.5/],
    ['timeLimit', { task: 'a', softMs: 'soon' }, /softMs "soon"/],
    ['timeLimit', { task: 7, softMs: 1 }, /task: 7 is not a task name/],
    ['rateLimit', { task: 'a', rate: 'often' }, /rate: "often" is not a rate/],
    ['rateLimit', { task: 'a' }, /rate: undefined is not a rate/],
    ['revoke', { jobIds: 'abc' }, /jobIds "abc" must be a list of texts/],
    ['queryTask', { ids: [1] }, /ids \[1\] must be a list of texts/],
  ];
  for (const [command, args, says] of wrong) {
    it(`to ${command} with ${JSON.stringify(args)} is answered with an error, and does nothing`, async () => {
      const { calls, handlers } = remembering();
      const reply = await handle(handlers, { command, args: { ...args } });
      assert.match(Reflect.get(reply as object, 'error'), says);
      assert.deepEqual(calls, []);
    });
  }

  it('reaches the worker with what it says, and nothing that came with it', async () => {
    const { calls, handlers } = remembering();
    const sent = [
      ['loglevel', { level: 'warn' }],
      ['autoscale', { max: 4, min: 0 }],
      ['addConsumer', { queue: 'mail' }],
      ['addConsumer', { queue: 'mail', concurrency: 2 }],
      ['timeLimit', { task: 'a', softMs: null }],
      ['timeLimit', { task: 'a', softMs: 1, hardMs: 2 }],
      ['rateLimit', { task: 'a', rate: null }],
      ['rateLimit', { task: 'a', rate: '10/s' }],
      ['revoke', { jobIds: ['1'], reason: 'x' }],
      ['queryTask', { ids: ['a', 'b'] }],
    ] as const;
    for (const [command, args] of sent)
      assert.deepEqual(await handle(handlers, { command, args: { ...args, more: 1 } }), { ok: 'done' });
    assert.deepEqual(calls, sent);
  });

  it('of an unknown name is answered, also of one that every object has', async () => {
    const { handlers } = remembering();
    for (const command of ['dance', 'constructor', '__proto__'])
      assert.deepEqual(await handle(handlers, { command, args: {} }), {
        error: `unknown command "${command}"`,
      });
  });

  it('without the parts of one is none', () => {
    for (const data of [
      undefined,
      null,
      7,
      'ping',
      [],
      {},
      { id: 1, command: 'ping', replyTo: 'a' },
      { id: 'a', replyTo: 'b' },
    ])
      assert.equal(readRequest(data), undefined);
    assert.deepEqual(readRequest({ id: 'a', command: 'ping', replyTo: 'b', args: 7 }), {
      id: 'a',
      command: 'ping',
      replyTo: 'b',
      args: {},
    });
    assert.deepEqual(readArgs('ping', { n: 1 }), {});
  });
});

describe('a reply', () => {
  it('without the parts of one is none', () => {
    for (const data of [undefined, null, 'pong', { id: 'a' }, { id: 'a', node: 7 }, { node: 'n', reply: 1 }])
      assert.equal(readReply(data), undefined);
    assert.deepEqual(readReply({ id: 'a', node: 'n', reply: 1, more: 2 }), { id: 'a', node: 'n', reply: 1 });
  });
});
