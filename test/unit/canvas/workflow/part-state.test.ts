import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CLOSED, HEAD, REVOKED } from '#src/broker/broker.js';
import {
  isKept,
  type JobStage,
  type PartRecord,
  partState,
  readRecord,
  recordFields,
} from '#src/canvas/workflow/part-state.js';
import { FORGET, failedField, UNTIL } from '#src/canvas/workflow/record.js';

const f = { id: 'x', name: 'x', error: { name: 'Error', message: 'no' }, t: 0 };
const WELL = { s: 1 };
const FAILED = { f };
const REVOCATION = { r: 'enough', t: 5 };

/** What is known of a part whose record has these fields. */
function record(path: string, fields: Readonly<Record<string, object | string>> = {}, now = 100): PartRecord {
  const all: Record<string, object | string> = { [HEAD]: '1', ...fields };
  const known = recordFields(path);
  for (const field of Object.keys(fields)) assert.ok(known.includes(field), `${field} is read`);
  const values = known.map((field) => {
    const value = all[field];
    return typeof value === 'object' ? JSON.stringify(value) : value;
  });
  return readRecord(path, values, now);
}

function state(job: JobStage, path: string, fields: Parameters<typeof record>[1] = {}): string {
  return partState(job, record(path, fields)).kind;
}

describe('A part of a workflow', () => {
  it('stands as its job says where the record says nothing, and waits where there is no job', () => {
    for (const job of ['sent', 'running', 'done', 'replaced'] as const)
      assert.equal(state(job, '0.1'), 'job');
    assert.equal(state('none', '0.1'), 'waiting');
  });

  it('has ended as the record says, unless its own job has ended', () => {
    assert.equal(state('none', '0.1', { '0.1': WELL }), 'ended');
    assert.equal(state('running', '0.1', { '0.1': WELL }), 'ended');
    assert.equal(state('done', '0.1', { '0.1': WELL }), 'job');
    assert.equal(state('replaced', '0.1', { '0.1': WELL }), 'ended', 'the end of what has replaced it');
  });

  it('that was ignored, or never begins because another was, is gone', () => {
    assert.equal(state('none', '0.1', { '0.1': { i: true } }), 'gone');
    const ignored = { at: '0.0', i: 0, in: 'chain', ignored: true, f };
    assert.equal(state('none', '0.1', { [failedField('0')]: ignored }), 'gone');
    assert.equal(state('none', '0.1', { [failedField('0')]: { ...ignored, ignored: undefined } }), 'failed');
  });

  it('that had not begun when a task ended its workflow is skipped, and knows by what', () => {
    const early = { at: '0.1.0', i: 1, in: 'chain', ended: '0', f: { ...f, t: 9 } };
    const fields = { [failedField('0')]: early, [failedField('0.1')]: { ...early, in: 'group', i: 0 } };
    const read = (job: JobStage, path: string, more = {}) =>
      partState(job, record(path, { ...fields, ...more }));
    const skipped = { kind: 'skipped', ended: { part: '0', by: '0.1.0', at: 9 }, over: false };
    assert.deepEqual(read('none', '0.1.1'), skipped, 'beside it');
    assert.deepEqual(partState('none', record('0.2', { [failedField('0')]: early })), skipped, 'after it');
    assert.equal(read('sent', '0.1.1').kind, 'skipped');
    assert.equal(read('running', '0.1.1').kind, 'job', 'what runs goes on');
    assert.equal(read('none', '0.1.1', { '0.1.1': WELL }).kind, 'ended', 'or has ended');
    const link = (carrier: string, more = {}) =>
      state('none', carrier, { [failedField('0')]: early, ...more } as Parameters<typeof state>[2]);
    assert.equal(link('0.l0', { '0': { at: '0.1.0' } }), 'waiting', 'its own links run');
    assert.equal(link('0.e0', { '0': { at: '0.1.0' } }), 'gone');
    assert.equal(link('0.2.l0'), 'skipped', 'those of a skipped part do not');
  });

  it('shares the failure of an earlier step only, and a body knows that it is one', () => {
    const failing = { at: '0.1.0', i: 1, in: 'chain', chord: true, f };
    const shared = (path: string) => partState('none', record(path, { [failedField('0')]: failing }));
    assert.equal(shared('0.0').kind, 'waiting');
    assert.equal(shared('0.1').kind, 'waiting');
    assert.deepEqual(shared('0.2'), { kind: 'failed', failing, body: true });
    assert.deepEqual(shared('0.3'), { kind: 'failed', failing, body: false });
  });

  it('is revoked with its workflow unless it runs, and not when it had ended or failed before', () => {
    const revoked = { [REVOKED]: REVOCATION };
    for (const job of ['none', 'sent'] as const) assert.equal(state(job, '0.1', revoked), 'revoked');
    assert.equal(state('running', '0.1', revoked), 'job');
    assert.equal(state('none', '0.1', { ...revoked, '0.1': FAILED }), 'ended');
  });

  it('of a record that is gone is gone with it, but for its job', () => {
    const gone = { [UNTIL]: '100' };
    assert.equal(state('none', '0.1', { ...gone, '0.1': WELL }), 'gone');
    assert.equal(state('done', '0.1', gone), 'job');
  });
});

describe('A link or errback', () => {
  it('waits while that which it is called by has not ended', () => {
    for (const path of ['0.1.l0', '0.1.e0']) assert.equal(state('none', path), 'waiting');
    assert.equal(state('none', '0.1.l0', { '0.1': WELL }), 'waiting', 'it is about to be sent');
    assert.equal(state('none', '0.1.e0', { '0.1': FAILED }), 'waiting', 'it is about to be sent');
  });

  it('is never called for the other end: a link shares the failure, an errback is gone', () => {
    assert.equal(state('none', '0.1.l0', { '0.1': FAILED }), 'failed');
    assert.equal(state('none', '0.1.e0', { '0.1': WELL }), 'gone');
    assert.equal(state('sent', '0.1.e0', { '0.1': WELL }), 'job', 'but one that was sent is there');
  });

  it('of what never began since an earlier step failed: only the errback of a body is called', () => {
    const failing = (chord: boolean) => ({ at: '0.0', i: 0, in: 'chain', ...(chord && { chord: true }), f });
    const errback = (chord: boolean) => state('none', '0.1.e0', { [failedField('0')]: failing(chord) });
    assert.deepEqual([errback(true), errback(false)], ['waiting', 'gone']);
    const link = partState('none', record('0.1.l0', { [failedField('0')]: failing(true) }));
    assert.ok(link.kind === 'failed' && !link.body);
  });

  it('goes with a revoked carrier', () => {
    assert.equal(state('none', '0.1.l0', { [REVOKED]: REVOCATION }), 'revoked');
  });
});

describe('The record of a workflow', () => {
  const kept = (fields: Readonly<Record<string, string>>, now = 100) => isKept((name) => fields[name], now);

  it('is there from its head to its moment', () => {
    assert.equal(kept({}), false);
    assert.equal(kept({ [HEAD]: '1' }), true);
    assert.deepEqual(
      [kept({ [HEAD]: '1', [UNTIL]: '101' }), kept({ [HEAD]: '1', [UNTIL]: '100' })],
      [true, false],
    );
  });

  it('that is to be forgotten goes at the end of the workflow, not before', () => {
    assert.equal(kept({ [HEAD]: '1', [FORGET]: '1' }), true);
    for (const end of [CLOSED, REVOKED])
      assert.equal(kept({ [HEAD]: '1', [FORGET]: '1', [end]: '{}' }), false);
  });
});
