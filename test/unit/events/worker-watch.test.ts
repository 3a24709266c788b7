/** Which workers count as lost: those that are silent while the listener hears itself. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { AppEvent } from '#src/events/names.js';
import { WorkerWatch } from '#src/events/worker-watch.js';

const FREQ = 2_000;

function watchOf(t: TestContext) {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const lost: string[] = [];
  const meanwhile: () => void = () => undefined;
  const state = { now: 0, hears: true, probes: 0, meanwhile };
  const watch = new WorkerWatch({
    now: () => state.now,
    probe: async () => {
      state.probes++;
      state.meanwhile();
      return state.hears;
    },
    onLost: ({ node, pid, seenAt }) => void lost.push(`${node} ${pid} ${seenAt}`),
  });
  t.after(() => watch.close());
  const note = (type: string, node: string, more: object = {}) =>
    watch.note({ type, node, pid: 7, freq: FREQ, timestamp: state.now, ...more } as unknown as AppEvent);
  const pass = async (ms: number) => {
    state.now += ms;
    t.mock.timers.tick(ms);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { watch, state, lost, note, pass };
}

describe('A worker', () => {
  it('is lost after three and a half silent heartbeats, once, and may be heard and lost again', async (t) => {
    const { lost, note, pass, state } = watchOf(t);
    for (const node of ['a', 'b']) note('worker-heartbeat', node);
    await pass(FREQ * 3);
    note('worker-heartbeat', 'b');
    assert.equal(state.probes, 0);
    await pass(FREQ);
    assert.deepEqual(lost, ['a 7 0']);
    note('worker-heartbeat', 'b');
    await pass(FREQ);
    assert.deepEqual(lost.length, 1);
    note('worker-online', 'a');
    note('worker-heartbeat', 'b');
    await pass(FREQ * 3.4);
    note('worker-heartbeat', 'b');
    await pass(FREQ);
    assert.deepEqual(lost, ['a 7 0', 'a 7 10000']);
  });

  it('is not lost when it has gone, nor while nobody can be heard', async (t) => {
    const { lost, note, pass, state } = watchOf(t);
    note('worker-online', 'gone');
    note('worker-offline', 'gone');
    await pass(FREQ * 10);
    assert.equal(state.probes, 0);
    note('worker-heartbeat', 'a');
    state.hears = false;
    await pass(FREQ * 4);
    assert.deepEqual([state.probes, lost], [1, []]);
    state.hears = true;
    await pass(FREQ * 3);
    assert.deepEqual([state.probes, lost], [1, []], 'all have as long again');
    await pass(FREQ);
    assert.deepEqual(lost, ['a 7 20000']);
  });

  it('is not lost if what it said was only read late: it comes before the answer', async (t) => {
    const { lost, note, pass, state } = watchOf(t);
    note('worker-heartbeat', 'a');
    state.meanwhile = () => void note('worker-heartbeat', 'a');
    await pass(FREQ * 10);
    assert.deepEqual([state.probes, lost], [1, []]);
  });

  it('that somebody else says is lost is said so once', async (t) => {
    const { note, pass, lost } = watchOf(t);
    assert.equal(note('worker-lost', 'never heard'), true);
    assert.equal(note('worker-lost', 'never heard'), false);
    note('worker-heartbeat', 'a');
    await pass(FREQ * 4);
    assert.equal(note('worker-lost', 'a'), false);
    assert.equal(lost.length, 1);
    note('worker-heartbeat', 'a');
    assert.equal(note('worker-lost', 'a'), true);
    await pass(FREQ * 4);
    assert.equal(lost.length, 1);
  });
});
