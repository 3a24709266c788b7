import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { every } from 'celeriac';
import type { CatchUp } from '#src/options/schedules.js';
import { dueTick, type Spec, type StoredEntry, withTick } from '#src/schedules/entry.js';

const START = 1_000_000;

/** An entry of every half second whose next tick is at `nextAt`. */
function entryDue(nextAt: number): StoredEntry {
  const spec = { schedule: every(500), timezone: 'UTC' } as unknown as Spec;
  return { spec, anchorAt: START, nextAt, paused: false };
}

describe('The tick that is due', () => {
  it('is each one in turn, for a worker that was there', () => {
    assert.deepEqual(dueTick(entryDue(START + 500), START + 1_700, START), {
      at: START + 500,
      nextAt: START + 1_000,
    });
  });

  it('is the last one, for a worker that was not there when it came due', () => {
    assert.deepEqual(dueTick(entryDue(START + 500), START + 3_600, START + 3_550), {
      at: START + 3_500,
      nextAt: START + 4_000,
    });
  });

  it('is the last one, for a worker that has not seen the broker since an outage', () => {
    assert.equal(dueTick(entryDue(START + 500), START + 1_700, Number.POSITIVE_INFINITY)?.at, START + 1_500);
  });

  it('is the last one after a long time, whoever was there', () => {
    assert.equal(dueTick(entryDue(START + 500), START + 60_000, START)?.at, START + 60_000);
  });

  it('is none before its time', () => {
    assert.equal(dueTick(entryDue(START + 500), START + 499, START), undefined);
  });
});

describe('what was missed', () => {
  const missing = (catchUp: CatchUp) => {
    const entry = entryDue(START + 500);
    return { ...entry, spec: { ...entry.spec, schedule: { ...entry.spec.schedule, catchUp } } };
  };

  it('runs tick by tick under catchUp all, and not at all under none', () => {
    assert.equal(dueTick(missing('all'), START + 3_600, START + 3_550)?.at, START + 500);
    const none = dueTick(missing('none'), START + 3_600, START + 3_550);
    assert.equal(none?.at, undefined);
    assert.ok((none?.nextAt ?? 0) > START + 3_600);
    // What is only a little late was not missed.
    assert.equal(dueTick(missing('none'), START + 600, START)?.at, START + 500);
  });

  it('is among the last twenty ticks, newest first', () => {
    let history: StoredEntry['history'];
    for (let at = 0; at < 30; at++) history = withTick(history, { at, taskId: `t${at}`, late: 0 });
    assert.equal(history?.length, 20);
    assert.equal(history?.[0]?.at, 29);
  });
});
