import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ProcessUsage } from '#src/worker/observe/process-usage.js';

describe('The use of CPUs', () => {
  it('is the part of the time since it was last asked for', () => {
    const usage = new ProcessUsage();
    assert.equal(usage.cpu(2_000, { user: 1_500_000, system: 500_000 }), 1);
    assert.equal(usage.cpu(4_000, { user: 2_000_000, system: 500_000 }), 0.25);
    assert.equal(usage.cpu(4_000, { user: 2_000_000, system: 500_000 }), 0);
    assert(usage.memory() > 1_000_000);
  });
});
