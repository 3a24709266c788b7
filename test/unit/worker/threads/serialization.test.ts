import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ErrorClasses } from '#src/protocol/wire-error.js';
import type { Outcome } from '#src/worker/run/outcome.js';
import { packLog, packOutcome, unpackFields, unpackOutcome } from '#src/worker/threads/serialization.js';

class Refused extends Error {
  override name = 'Refused';
}

/** As it arrives on the other side. */
function across(outcome: Outcome, classes = new ErrorClasses()): Outcome {
  return unpackOutcome(structuredClone(packOutcome(outcome)), classes);
}

describe('An outcome on its way out of a thread', () => {
  it('is the text that the broker stores, whatever cloning would make of it', () => {
    const encoded = { at: new Date(0), nothing: undefined };
    const crossed = across({ kind: 'success', value: new Map(), encoded });
    assert.deepEqual(crossed, {
      kind: 'success',
      value: { at: '1970-01-01T00:00:00.000Z' },
      encoded: { at: '1970-01-01T00:00:00.000Z' },
    });
  });

  it('may be nothing at all', () => {
    assert.deepEqual(across({ kind: 'success', value: undefined, encoded: undefined }), {
      kind: 'success',
      value: undefined,
      encoded: undefined,
    });
  });

  it('keeps whether a failure was a rejection, and when a retry is due', () => {
    const error = new Refused('no');
    assert.equal('rejected' in across({ kind: 'failure', error, rejected: true }), true);
    assert.equal('rejected' in across({ kind: 'failure', error }), false);
    const retry = across({ kind: 'retry', error, delayMs: 7 });
    assert.ok(retry.kind === 'retry' && retry.delayMs === 7);
    assert.equal((retry.error as Error).message, 'no');
  });

  it('is stored as the thread wrote it, though the worker rebuilds the error for its log', () => {
    const wire = { name: 'Refused', message: 'as it was said there' };
    const crossed = across({ kind: 'failure', error: new Error('something else'), wire });
    assert.ok(crossed.kind === 'failure');
    assert.deepEqual(crossed.wire, wire);
    assert.equal((crossed.error as Error).message, 'as it was said there');
  });

  it('of any other kind crosses as it is', () => {
    assert.deepEqual(across({ kind: 'ignore' }), { kind: 'ignore' });
    assert.deepEqual(across({ kind: 'later', delayMs: 5 }), { kind: 'later', delayMs: 5 });
  });
});

describe('A line of the log on its way out of a thread', () => {
  it('has errors that are errors again, beside fields that are plain', () => {
    const line = structuredClone(packLog('warn', { error: new Refused('no'), n: 1n, run() {} }, 'text'));
    assert.deepEqual([line.level, line.message, Object.keys(line.errors)], ['warn', 'text', ['error']]);
    const { error, n } = unpackFields(line, new ErrorClasses()) as { error: Error; n: unknown };
    assert.ok(error instanceof Error);
    assert.deepEqual([error.name, error.message], ['Refused', 'no']);
    assert.notEqual(typeof n, 'bigint');
  });

  it('is cut to a bounded size over all its fields', () => {
    const line = packLog('info', { a: 'x'.repeat(100_000), b: 'y'.repeat(100_000) }, 'text');
    assert.ok(JSON.stringify(line).length < 20_000);
  });
});
