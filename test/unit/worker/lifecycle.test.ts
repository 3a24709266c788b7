import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Lifecycle } from '#src/worker/lifecycle.js';
import type { StartStep } from '#src/worker/steps.js';
import { gate } from '../../support/app.js';

const STEPS = ['connection', 'thread', 'bus', 'consumers', 'timer'];

/** A life of some steps, each of which holds something from its start to its stop. */
function life() {
  const held = new Set<string>();
  const errors: string[] = [];
  let stops = 0;
  const lifecycle = new Lifecycle({
    patienceMs: 60_000,
    onError: ({ message }) => errors.push(message),
    ended: async () => undefined,
    onStopped: () => stops++,
  });
  const step = (name: string, body: () => unknown = () => undefined): StartStep => ({
    start: async () => {
      held.add(name);
      await body();
      held.add(name);
    },
    stop: () => {
      held.delete(name);
    },
  });
  return { lifecycle, held, errors, step, stops: () => stops };
}

const windUp = async () => undefined;

describe('A life in steps', () => {
  for (const failing of STEPS) {
    it(`leaves nothing behind when the start fails at its ${failing}, and may start again`, async () => {
      const { lifecycle, held, step } = life();
      const refuse = () => Promise.reject(new Error(`no ${failing}`));
      await assert.rejects(
        lifecycle.start(STEPS.map((name) => step(name, name === failing ? refuse : undefined))),
        { message: `no ${failing}` },
      );
      assert.deepEqual([...held], []);
      assert.equal(lifecycle.phase, 'new');
      await lifecycle.start(STEPS.map((name) => step(name)));
      assert.deepEqual([...held], STEPS);
      await lifecycle.stop(windUp);
      assert.deepEqual([...held], []);
    });

    it(`leaves nothing behind when it is stopped in the middle of its ${failing}`, async () => {
      const { lifecycle, held, step, stops } = life();
      const reached = gate();
      const hung = gate();
      const hang = () => {
        reached.open();
        return hung.opened;
      };
      const starting = lifecycle.start(STEPS.map((name) => step(name, name === failing ? hang : undefined)));
      await reached.opened;
      const stopped = lifecycle.stop(windUp);
      hung.open();
      await assert.rejects(starting, { code: 'APP_CLOSED' });
      await stopped;
      assert.deepEqual([...held], []);
      assert.equal(lifecycle.phase, 'stopped');
      assert.equal(stops(), 1);
    });
  }

  it('is over once its end was told, after everything has stopped: at a stop and after a failed start', async () => {
    const order: string[] = [];
    const lifecycle = new Lifecycle({
      patienceMs: 60_000,
      onError: assert.fail,
      ended: async () => {
        await new Promise((resolve) => setImmediate(resolve));
        order.push('told');
      },
      onStopped: () => void order.push('stopped'),
    });
    const step = { start: () => undefined, stop: () => void order.push('ended') };
    await assert.rejects(lifecycle.start([step, { start: () => Promise.reject(new Error('no')) }]));
    assert.deepEqual(order.splice(0), ['ended', 'told']);
    await lifecycle.start([step]);
    await lifecycle.stop(windUp);
    assert.deepEqual(order, ['ended', 'told', 'stopped']);
  });

  it('ends what a step made after everybody had stopped waiting for it', async () => {
    const { held, step } = life();
    const impatient = new Lifecycle({
      patienceMs: 1,
      onError: assert.fail,
      ended: async () => undefined,
      onStopped: () => undefined,
    });
    const reached = gate();
    const hung = gate();
    const starting = impatient.start([
      step('connection'),
      step('bus', () => {
        reached.open();
        return hung.opened;
      }),
    ]);
    starting.catch(() => undefined); // looked at below
    await reached.opened;
    await impatient.stop((started) => started);
    hung.open();
    await assert.rejects(starting, { code: 'APP_CLOSED' });
    assert.deepEqual([...held], []);
  });

  it('ends all the others when one end fails or hangs, and stops once', async () => {
    const errors: string[] = [];
    let ended = 0;
    let stops = 0;
    const lifecycle = new Lifecycle({
      patienceMs: 1,
      onError: ({ message }) => errors.push(message),
      ended: async () => undefined,
      onStopped: () => stops++,
    });
    const start = () => undefined;
    const end = () => ended++;
    await lifecycle.start([
      { start, stop: end },
      { start, stop: () => Promise.reject(new Error('no end')) },
      {
        start,
        stop: () => {
          throw new Error('no end either');
        },
      },
      { start, stop: () => new Promise(() => undefined) },
      { start, stop: end },
    ]);
    const fails = () => Promise.reject(new Error('no winding up'));
    await Promise.all([lifecycle.stop(fails), lifecycle.stop(fails)]);
    assert.equal(ended, 2);
    assert.equal(stops, 1);
    assert.deepEqual(errors.sort(), ['no end', 'no end either', 'no winding up']);
    await lifecycle.stopped;
  });

  it('that never began ends without winding up', async () => {
    const { lifecycle, stops } = life();
    await lifecycle.stop(async () => assert.fail());
    assert.equal(stops(), 1);
  });
});
