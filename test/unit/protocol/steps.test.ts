import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { stepViews } from '#src/protocol/steps.js';

function views(fields: Readonly<Record<string, unknown>>): unknown[] {
  const texts = Object.entries(fields).map(
    ([field, value]) => [field, typeof value === 'string' ? value : JSON.stringify(value)] as const,
  );
  return stepViews(new Map(texts), 100).map(({ name, kind, startedAt, doneAt }) => [
    name,
    kind,
    startedAt.getTime(),
    doneAt?.getTime(),
  ]);
}

describe('the steps in the fields of a task', () => {
  it('stand in the order in which they began, each with its end', () => {
    const found = views({
      's:later': { k: 'sleep', s: 30, u: 101 },
      's:charge': { k: 'step', s: 10, d: 12, v: 1 },
      's:nap': { k: 'sleep', s: 15, u: 100 },
      's:open': { k: 'wait', s: 40 },
      's:sent': { k: 'wait', s: 50 },
      'w:sent': { v: 1, d: 60 },
      's:late': { k: 'wait', s: 70, u: 80 },
      'w:late': { t: 80 },
    });
    assert.deepEqual(found, [
      ['charge', 'step', 10, 12],
      ['nap', 'sleep', 15, 100],
      ['later', 'sleep', 30, undefined],
      ['open', 'wait', 40, undefined],
      ['sent', 'wait', 50, 60],
      ['late', 'wait', 70, 80],
    ]);
  });

  it('do not end before they began, where a value was sent first', () => {
    assert.deepEqual(views({ 's:go': { k: 'wait', s: 50 }, 'w:go': { v: 1, d: 20 } }), [
      ['go', 'wait', 50, 50],
    ]);
  });

  it('leave out what another program wrote', () => {
    assert.deepEqual(views({ 's:a': 'no JSON', 's:b': 'null', 's:c': '{}', 's:d': '7', x: '{}' }), []);
    assert.deepEqual(views({ 's:go': { k: 'wait', s: 50 }, 'w:go': 'no JSON' }), [['go', 'wait', 50, 50]]);
  });
});
