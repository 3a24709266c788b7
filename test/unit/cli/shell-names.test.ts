import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { namesFor } from '#src/cli/shell/names.js';
import { Celeriac } from '#src/index.js';

describe('The shell', () => {
  it('knows handles by name, and replaces nothing that code needs', async () => {
    await using app = new Celeriac('names', { broker: 'memory://' });
    for (const name of ['add', 'send.mail', 'fetch', 'chain', 'class', '__proto__x']) app.task(name, () => 1);
    const { names, handles } = namesFor(
      app,
      { add: 'its own', reports: 1 },
      { chain: 'of celeriac', group: 2 },
      {
        fetch: 1,
      },
    );
    assert.deepEqual(Object.keys(names).sort(), [
      '__proto__x',
      'add',
      'app',
      'chain',
      'group',
      'reports',
      'tasks',
    ]);
    assert.equal(names.add, 'its own', 'the export of the module');
    assert.notEqual(names.chain, 'of celeriac', 'the task');
    assert.equal(names.app, app);
    assert.deepEqual(handles, [
      '__proto__x',
      'tasks["add"]',
      'chain',
      'tasks["class"]',
      'tasks["fetch"]',
      'tasks["send.mail"]',
    ]);
  });
});
