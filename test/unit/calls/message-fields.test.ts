import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Addressed, messageFields } from '#src/calls/message-fields.js';
import { runInScope } from '#src/tasks/context.js';

/** The headers of a call that is made inside a task with these, all of which go on. */
function inherited(headers: Record<string, unknown>, own: Record<string, unknown> = {}) {
  const outgoing = { target: { name: 'x', publish: {} }, headers: own, propagated: [] };
  const context = { request: { id: 'outer', rootId: 'root', headers } };
  const scope = { context, awaiting: undefined, entered: undefined, propagate: Object.keys(headers) };
  return runInScope(scope as never, () =>
    messageFields(outgoing as unknown as Addressed, {} as never, 0, 'UTC'),
  );
}

describe('Headers that go on', () => {
  it('are those of the task around, below the call’s own', () => {
    const { headers, root, parent, propagate } = inherited({ tenant: 7, user: 'ada' }, { user: 'bob' });
    assert.deepEqual(headers, { tenant: 7, user: 'bob' });
    assert.deepEqual([root, parent, propagate], ['root', 'outer', ['tenant', 'user']]);
  });

  it('may have any name', () => {
    const given = JSON.parse('{ "__proto__": "p", "constructor": "c", "toString": 1 }');
    const { headers = {} } = inherited(given);
    assert.deepEqual(Object.entries(headers), Object.entries(given));
  });
});
