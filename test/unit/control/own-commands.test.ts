/** Commands of the app's own: their names, their handlers, and what becomes of what those return and throw. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Celeriac } from 'celeriac';
import { decodeCommandReply, OwnCommands } from '#src/control/own-commands.js';
import { BUILT_IN_COMMANDS } from '#src/control/requests.js';

const here = { node: 'one@here' };
const commands = () => new OwnCommands(BUILT_IN_COMMANDS);

describe('A command of the app', () => {
  it('runs its handler with the arguments and the node, and its reply survives as it is', async () => {
    const own = commands();
    own.add('reload', async (args: unknown, { node }) => ({ args, node, odd: '\0 ␀', $celeriac: 'x' }));
    const reply = await own.run('reload', { a: [1, null] }, here);
    assert.deepEqual(decodeCommandReply(JSON.parse(JSON.stringify(reply))), {
      args: { a: [1, null] },
      node: 'one@here',
      odd: '\0 ␀',
      $celeriac: 'x',
    });
    own.add('quiet', () => undefined);
    assert.equal(await own.run('quiet', {}, here), null);
  });

  it('that throws gives an error with its text, whatever it throws', async () => {
    const own = commands();
    const thrown: readonly (readonly [unknown, RegExp])[] = [
      [new RangeError('too far'), /^too far$/],
      [new TypeError(), /^TypeError$/],
      ['a text', /^a text$/],
      [undefined, /^undefined$/],
      [Object.create(null), /^an object$/],
    ];
    for (const [error, message] of thrown) {
      const off = own.add('fails', () => {
        throw error;
      });
      await assert.rejects(own.run('fails', {}, here), { name: 'CeleriacError', message });
      off();
    }
    own.add('cycle', () => {
      const self: { self?: unknown } = {};
      self.self = self;
      return self;
    });
    await assert.rejects(own.run('cycle', {}, here), /reply\.self refers back to reply/);
  });

  it('that is unknown is said to be, with the one that was meant', async () => {
    const own = commands();
    await assert.rejects(
      own.run('reload', {}, here),
      /unknown command "reload"\. app\.onCommand has added none/,
    );
    const off = own.add('reload', () => 1);
    await assert.rejects(own.run('relaod', {}, here), /unknown command "relaod"\. Did you mean "reload"\?/);
    await assert.rejects(own.run('constructor', {}, here), /unknown command "constructor".* added reload\./);
    off();
    await assert.rejects(own.run('reload', {}, here), /unknown command/);
  });

  it("has a name, none of celeriac's own, one handler, and a function for it", () => {
    const app = new Celeriac('own-commands', { broker: 'memory://' });
    for (const name of ['ping', 'revoke', 'poolGrow', 'pool_grow', 'pool-grow', 'Shutdown'])
      assert.throws(() => app.onCommand(name, () => 1), {
        code: 'OPTION',
        message: /is a command of celeriac itself/,
      });
    for (const name of ['', 'two words', 'x'.repeat(201), '\0', 7 as never])
      assert.throws(() => app.onCommand(name, () => 1), {
        code: 'OPTION',
        message: /is not the name of a command/,
      });
    assert.throws(() => app.onCommand('reload', 'x' as never), /give a function, not "x"/);
    const again = () => 1;
    const off = app.onCommand('reload', again);
    assert.throws(() => app.onCommand('reload', again), /"reload" has a handler\. Remove it first/);
    off();
    app.onCommand('reload', again);
    off();
    assert.throws(() => app.onCommand('reload', again), /has a handler/);
  });

  it('is refused at the call where it could not be sent', async () => {
    const { control } = new Celeriac('own-commands', { broker: 'memory://' });
    await assert.rejects(
      control.broadcast('ping'),
      /control\.broadcast: "ping" is a command of celeriac itself/,
    );
    await assert.rejects(control.broadcast('reload', { at: new Date(0) }), { code: 'NOT_SERIALIZABLE' });
    await assert.rejects(control.broadcast('reload', 'x'.repeat(4 * 1024 ** 2)), {
      code: 'PAYLOAD_TOO_LARGE',
    });
    await assert.rejects(control.broadcast('reload', {}, { timeout: -1 }), { code: 'OPTION' });
    await assert.rejects(control.broadcast('reload', {}, { nodes: [] } as never), /unknown option "nodes"/);
  });
});
