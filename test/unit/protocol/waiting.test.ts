import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { deliveriesIn, PARK_MARK, packPark, parkIn, wakingsOf, withWakings } from '#src/protocol/waiting.js';

const PARK = {
  starts: 3,
  wakings: 2,
  ranMs: 40,
  for: [{ kind: 'sleep', name: 'nap', until: 1000 }],
} as const;

describe('what a waiting task carries in its job', () => {
  it('comes back as it was written', () => {
    assert.deepEqual(parkIn(packPark(PARK)), PARK);
    assert.equal(parkIn(undefined), undefined);
    assert.equal(parkIn('Error: x'), undefined);
  });

  it('is nothing where another program wrote it', () => {
    const texts = [
      'no JSON',
      'null',
      '[]',
      JSON.stringify({ ...PARK, starts: '3' }),
      JSON.stringify({ ...PARK, wakings: null }),
      JSON.stringify({ ...PARK, ranMs: {} }),
      JSON.stringify({ ...PARK, for: {} }),
      JSON.stringify({ ...PARK, for: [null] }),
      JSON.stringify({ ...PARK, for: [{ kind: 'step', name: 'x' }] }),
      JSON.stringify({ ...PARK, for: [{ kind: 'wait', name: 1 }] }),
      JSON.stringify({ ...PARK, for: [{ kind: 'wait', name: 'x', until: 1e300 }] }),
    ];
    for (const text of texts) {
      assert.equal(parkIn(PARK_MARK + text), undefined, text);
      assert.deepEqual(wakingsOf(PARK_MARK + text, 9), { wakings: 0 }, text);
    }
  });

  it('takes wakings from the deliveries, the one to come too once it is there', () => {
    const stack = packPark(PARK);
    assert.deepEqual(wakingsOf(stack, 3), { wakings: 1 }, 'it still waits');
    assert.deepEqual(wakingsOf(stack, 4), { wakings: 2, woken: { ranMs: 40 } });
    assert.deepEqual(wakingsOf(stack, 5), { wakings: 2 }, 'a worker died in between: another attempt');
    assert.equal(deliveriesIn({ stack, deliveries: 4 }, {}), 2);
    assert.equal(
      deliveriesIn({ stack, deliveries: 4 }, { begun: 3 }),
      5,
      'it was moved after three deliveries',
    );
  });

  it('goes on in the stack of a failure', () => {
    const stack = withWakings('Error: x', 2);
    assert.deepEqual(wakingsOf(stack, 4), { wakings: 2 });
    assert.equal(withWakings('Error: x', 0), 'Error: x');
  });
});
