import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FleetState } from '#src/cli/live/state.js';
import type { EventMap, EventName, FleetEvent } from '#src/events/names.js';

const NOW = 1_900_000_000_000;
const BEAT_MS = 2_000;

function beat(
  node: string,
  more: Partial<EventMap['worker-heartbeat']> = {},
  type: EventName = 'worker-heartbeat',
): FleetEvent {
  const facts = { timestamp: NOW, node, pid: 1, active: 1, processed: 7, concurrency: 4, queues: ['q'] };
  return { type, ...facts, loadavg: [0.5], freq: BEAT_MS, version: '1', ...more } as FleetEvent;
}

function task(type: EventName, id: string, more: object = {}): FleetEvent {
  const fields = { timestamp: NOW, id, name: 'report', queue: 'q', node: 'a', pid: 1, retries: 0 };
  return { type, ...fields, exception: 'Error: no', ...more } as FleetEvent;
}

const running = (state: FleetState, now = NOW) => state.running(now).map(({ id }) => id);

describe('A worker on the live page', () => {
  it('is gone when it says so, or after a few silent beats, and is forgotten later', () => {
    const state = new FleetState(NOW);
    state.take(beat('silent'), NOW);
    state.take(beat('left', {}, 'worker-offline'), NOW);
    const gone = (now: number) => state.workers(now).map(({ node, gone: is }) => [node, is]);
    assert.deepEqual(gone(NOW + 3.5 * BEAT_MS), [
      ['silent', false],
      ['left', true],
    ]);
    assert.deepEqual(gone(NOW + 3.5 * BEAT_MS + 1), [
      ['left', true],
      ['silent', true],
    ]);
    assert.deepEqual(gone(NOW + 300_001), []);
  });

  it('that vanished hides its tasks, and one that left has none', () => {
    const state = new FleetState(NOW);
    state.take(beat('a'), NOW);
    state.take(task('task-started', 'x'), NOW);
    assert.deepEqual(running(state), ['x']);
    assert.deepEqual(running(state, NOW + 4 * BEAT_MS), []);
    state.take(beat('a'), NOW + 4 * BEAT_MS);
    assert.deepEqual(running(state, NOW + 4 * BEAT_MS), ['x'], 'it is back');
    state.take(beat('a', {}, 'worker-offline'), NOW + 5 * BEAT_MS);
    state.take(beat('a'), NOW + 6 * BEAT_MS);
    assert.deepEqual(running(state, NOW + 6 * BEAT_MS), []);
  });

  it('that has been idle for two beats runs nothing, whatever end was missed', () => {
    const state = new FleetState(NOW);
    state.take(beat('a'), NOW);
    state.take(task('task-started', 'x'), NOW);
    state.take(beat('a', { active: 0 }), NOW + BEAT_MS);
    assert.deepEqual(running(state), ['x'], 'it may have begun after the beat');
    state.take(beat('a', { active: 0 }), NOW + 2 * BEAT_MS);
    assert.deepEqual(running(state, NOW + 2 * BEAT_MS), []);
  });

  it('is silent with all others when the broker is away', () => {
    const state = new FleetState(NOW);
    assert.equal(state.silentMs(NOW), undefined);
    state.take(beat('a'), NOW);
    state.take(beat('b'), NOW + BEAT_MS);
    const later = NOW + 4 * BEAT_MS;
    assert.equal(state.silentMs(later), undefined, 'one is heard of');
    assert.equal(state.silentMs(later + BEAT_MS), 4 * BEAT_MS);
    state.take(beat('b', {}, 'worker-offline'), later);
    assert.equal(state.silentMs(later), 4 * BEAT_MS, 'one that left is not silent');
  });
});

describe('Running tasks on the live page', () => {
  it('are those that began and have not ended, the longest first', () => {
    const state = new FleetState(NOW);
    for (const [n, id] of ['x', 'y', 'z'].entries()) state.take(task('task-started', id), NOW + n);
    state.take(task('task-progress', 'x', { state: 'HALF', meta: { n: 1 } }), NOW);
    state.take(task('task-progress', 'nobody', { state: 'HALF' }), NOW);
    assert.deepEqual(
      state.running(NOW).map(({ id, state: said }) => [id, said]),
      [
        ['x', 'HALF {"n":1}'],
        ['y', undefined],
        ['z', undefined],
      ],
    );
    state.take(task('task-retried', 'y'), NOW);
    state.take(task('task-rejected', 'z'), NOW);
    assert.deepEqual(running(state), ['x']);
  });

  it('are those of before the page too, but for what ended while they were asked for', () => {
    const state = new FleetState(NOW);
    state.take(task('task-succeeded', 'ended'), NOW);
    const at = new Date(NOW - 5_000).toISOString();
    const active = ['ended', 'old'].map((id) => ({ id, name: 'report', startedAt: at }));
    state.know({ node: 'a', stats: undefined, active }, NOW);
    assert.deepEqual(
      state.running(NOW).map(({ id, since }) => [id, since]),
      [['old', NOW - 5_000]],
    );
  });

  it("are counted by the workers' own word until all have answered, and after a loss", () => {
    const state = new FleetState(NOW);
    state.take(beat('a', { active: 3 }), NOW);
    state.take(task('task-started', 'x'), NOW);
    assert.equal(state.runningCount(NOW), 3);
    state.knowsAll(true);
    assert.equal(state.runningCount(NOW), 1);
    state.take({ type: 'events-lost', timestamp: NOW, count: 2 }, NOW);
    assert.deepEqual([state.runningCount(NOW), state.lost], [3, 2]);
  });
});

describe('What happened, on the live page', () => {
  it('leaves out what comes all the time, and keeps failures apart, both up to a bound', () => {
    const state = new FleetState(NOW);
    state.take(task('task-failed', 'first'), NOW);
    for (let n = 0; n < 250; n++) {
      state.take(task('task-sent', `${n}`), NOW);
      state.take(task('task-received', `${n}`), NOW);
      state.take(beat('a'), NOW);
    }
    assert.equal(state.recent().length, 200);
    assert.ok(state.recent().every(({ type }) => type === 'task-sent'));
    assert.deepEqual([state.failed().length, state.tallies.sent, state.tallies.failed], [1, 250, 1]);
    for (let n = 0; n < 60; n++) state.take(task('task-failed', `${n}`), NOW);
    assert.equal(state.failed().length, 50);
  });

  it('is a rate of what ended lately, over the time that was watched', () => {
    const state = new FleetState(NOW);
    for (let n = 0; n < 20; n++) state.take(task('task-succeeded', `${n}`), NOW);
    assert.deepEqual([state.rate(NOW), state.rate(NOW + 2_000), state.rate(NOW + 12_000)], [20, 10, 0]);
  });
});
