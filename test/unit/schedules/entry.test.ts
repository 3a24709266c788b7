import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { every } from 'celeriac';
import type { CatchUp } from '#src/options/schedules.js';
import {
  declareEntry,
  dueTick,
  NEVER,
  needsCode,
  pauseEntry,
  resumeEntry,
  type Spec,
  type StoredEntry,
  withNext,
  withTick,
} from '#src/schedules/entry.js';

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

describe('A schedule of a kind of its own', () => {
  const spec = { schedule: { kind: 'own', code: 'a' }, timezone: 'UTC' } as unknown as Spec;
  const evens = (after: number) => (Math.floor(after / 2_000) + 1) * 2_000;
  const alive = new Set(['new']);

  it('ticks when its code says', () => {
    const entry = declareEntry(undefined, 'new', { spec, alive, now: START, own: evens });
    assert.equal(entry?.nextAt, START + 2_000);
    assert.ok(entry !== undefined);
    assert.deepEqual(dueTick(entry, START + 2_100, START, evens), {
      at: START + 2_000,
      nextAt: START + 4_000,
    });
    assert.deepEqual(dueTick(entry, START + 9_100, START + 9_000, evens), {
      at: START + 8_000,
      nextAt: START + 10_000,
    });
    assert.equal(dueTick(entry, START + 2_100, START, () => undefined)?.nextAt, null);
  });

  it('is changed by a process without its code, and found again by one that has it', () => {
    const entry = declareEntry(undefined, 'new', { spec, alive, now: START, own: evens });
    assert.ok(entry !== undefined);
    const paused = pauseEntry(entry);
    assert.ok(paused?.nextAt === null);
    const resumed = resumeEntry(paused, START + 100);
    assert.ok(resumed !== undefined);
    assert.deepEqual([resumed.nextAt, resumed.sought], [START + 100, true]);
    const found = dueTick(resumed, START + 200, START, evens);
    assert.deepEqual(found, { nextAt: START + 2_000 });
    assert.equal(withNext(resumed, found ?? NEVER).sought, undefined);
  });

  it('starts anew when its code is another', () => {
    const entry = declareEntry(undefined, 'old', { spec, alive: new Set(['old']), now: START, own: evens });
    const changed = { ...spec, schedule: { kind: 'own', code: 'b' } } as Spec;
    const odd = (after: number) => after + 77;
    const anew = declareEntry(entry, 'new', { spec: changed, alive, now: START + 1, own: odd });
    assert.equal(anew?.nextAt, START + 78);
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

describe('An entry that somebody else wrote', () => {
  it('harms nobody who looks whether it needs code', () => {
    for (const spec of [undefined, {}, { task: 'x' }, { schedule: undefined }])
      assert.equal(needsCode(spec as never), false);
  });
});
