import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { shortProgress, stackInTail } from '#src/broker/job-row.js';
import { isRevocationStack, packRevocation, packStack, unpackStack } from '#src/protocol/message.js';

const tail = (stacks: readonly string[], length: number) => JSON.stringify(stacks).slice(-length);

describe('The row of a job', () => {
  it('keeps the error at the end of a long stack', () => {
    const wire = { name: 'RangeError', message: 'says "no"\nand ü' };
    const stack = packStack(`RangeError\n${'    at x\n'.repeat(5_000)}`, wire);
    assert.deepEqual(unpackStack(stackInTail(tail(['Error: first', stack], 1_000))).wireError, wire);
  });

  it('keeps the mark of a revocation whose error is longer than what was read, and nothing of other texts', () => {
    const revoked = packRevocation('', { name: 'TaskRevokedError', message: 'x'.repeat(9_000) });
    assert.equal(isRevocationStack(stackInTail(tail([revoked], 8_192))), true);
    const failed = packStack('', { name: 'Error', message: 'x'.repeat(9_000) });
    assert.equal(stackInTail(tail([failed], 8_192)), '');
    assert.equal(stackInTail(tail(['Error: of another program\n    at y'], 20)), '');
  });

  it('keeps the state and the attempt of a long progress', () => {
    const text = JSON.stringify({ state: 'PRINTING', meta: 'x'.repeat(9_000), attempt: 2 });
    assert.deepEqual(shortProgress(text.slice(0, 200), text.slice(-100)), { state: 'PRINTING', attempt: 2 });
    assert.equal(shortProgress('[1,2', ',3]'), undefined);
  });
});
