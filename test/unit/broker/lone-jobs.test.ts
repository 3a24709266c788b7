import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LoneJobs } from '#src/broker/lone-jobs.js';

type Marker = { member: string; score: number } | null;

/** Waits that end when the test says so. */
function setUp() {
  const waits: { seconds: number; end(marker: Marker): void; fail(error: Error): void }[] = [];
  const lone = new LoneJobs(
    (seconds) =>
      new Promise((end, fail) => {
        waits.push({ seconds, end, fail });
      }),
  );
  /** A job came alone, and what may follow it was left to its marker. */
  const leave = () => {
    lone.woken();
    lone.fetched(true);
    assert.equal(lone.leavesToMarker(), true);
  };
  return { waits, lone, leave };
}

const LOOK = { member: '0', score: 0 };

describe('After a lone job', () => {
  it('the fetch is left out once, and only when the job came with a wake-up into a quiet queue', () => {
    const { lone, leave } = setUp();
    assert.equal(lone.leavesToMarker(), false);
    leave();
    assert.equal(lone.leavesToMarker(), false);
    lone.fetched(false);
    lone.fetched(true);
    assert.equal(lone.leavesToMarker(), false, 'nothing woke it');
    lone.woken();
    lone.fetched(true);
    assert.equal(lone.leavesToMarker(), false, 'there was a job before it');
  });

  it('the marker is waited for as long as BullMQ says, but looked without when it does not come soon', async () => {
    const { waits, lone, leave } = setUp();
    leave();
    assert.deepEqual(await lone.wait(5), LOOK);
    assert.deepEqual(
      waits.map(({ seconds }) => seconds),
      [5],
    );
  });

  it('a wait that was not waited for to its end is for the next', async () => {
    const { waits, lone, leave } = setUp();
    leave();
    await lone.wait(5);
    lone.fetched(false);
    lone.leavesToMarker();
    assert.equal(await lone.wait(0.02), null, 'no longer than it may last');
    const next = lone.wait(5);
    waits[0]?.end({ member: '0', score: 7 });
    assert.deepEqual(await next, { member: '0', score: 7 });
    assert.equal(waits.length, 1);
    void lone.wait(3);
    assert.equal(waits[1]?.seconds, 3);
  });

  it('what ended meanwhile is not lost, an error neither', async () => {
    for (const failed of [false, true]) {
      const { waits, lone, leave } = setUp();
      leave();
      await lone.wait(5);
      lone.leavesToMarker();
      if (failed) waits[0]?.fail(new Error('gone'));
      else waits[0]?.end(LOOK);
      await new Promise((resolve) => setTimeout(resolve, 10));
      if (failed) await assert.rejects(lone.wait(5), /gone/);
      else assert.deepEqual(await lone.wait(5), LOOK);
      void lone.wait(5);
      assert.equal(waits.length, 2);
    }
  });
});
