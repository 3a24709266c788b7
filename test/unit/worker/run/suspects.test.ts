import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { WorkerLostError } from '#src/errors.js';
import type { Delivery } from '#src/queue/delivery.js';
import type { RegisteredTask } from '#src/tasks/registry.js';
import type { Execution, Outcome } from '#src/worker/run/outcome.js';
import { Suspects } from '#src/worker/run/suspects.js';
import { fakeRecords } from '../../../support/records.js';

const TASK = { run: { maxDeliveries: 3 } } as RegisteredTask;
const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** One job in a fleet of workers that die. */
function fleet() {
  const broker = { away: false };
  const { records, kept } = fakeRecords(broker);
  const lines: string[] = [];
  const logger = { ...silent, info: (_: object, message: string) => void lines.push(message) };
  const worker = () => new Suspects({ engine: { records } as never, logger });
  return { worker, kept, broker, lines };
}

function job(id: string, stalls: number) {
  const afterwards: (() => Promise<void>)[] = [];
  const delivery = {
    taskId: id,
    jobId: id,
    name: 'mail',
    ref: { queue: 'celeriac', id },
    stalls,
    afterwards: (body: () => Promise<void>) => void afterwards.push(body),
  } as unknown as Delivery;
  return { delivery, written: () => Promise.all(afterwards.splice(0).map((body) => body())) };
}

function executed(outcome: Outcome, started = true): Execution {
  return { outcome, task: TASK, runtimeMs: 0, started };
}

const success = async () => executed({ kind: 'success', value: 1, encoded: 1 });
const refuse = async (outcome: Outcome) => executed(outcome, false);
const never = () => new Promise<Execution>(() => undefined);

/** Begins it in a worker that dies of it: what was begun is noted by then. */
async function dieUnder(suspects: Suspects, delivery: Delivery): Promise<void> {
  await new Promise<void>((begun) => {
    void suspects.run(
      delivery,
      TASK,
      () => {
        begun();
        return never();
      },
      refuse,
    );
  });
}

describe('Tasks under which a worker has died', () => {
  it('run one at a time in a worker; the others are put back', async () => {
    const { worker } = fleet();
    const suspects = worker();
    let finish: (execution: Execution) => void = () => undefined;
    const held = new Promise<Execution>((resolve) => {
      finish = resolve;
    });
    const first = suspects.run(job('a', 1).delivery, TASK, () => held, refuse);
    const second = await suspects.run(job('b', 1).delivery, TASK, success, refuse);
    assert.equal(second.outcome.kind, 'later');
    finish(await success());
    await first;
    assert.equal((await suspects.run(job('b', 1).delivery, TASK, success, refuse)).outcome.kind, 'success');
  });

  it('are told of when they run again, and not at each waking after that', async () => {
    const { worker, lines } = fleet();
    const wait = async () => executed({ kind: 'wait', waits: [], delayMs: 1, ranMs: 1 });
    const again = job('napper', 1);
    await worker().run(again.delivery, TASK, wait, refuse);
    await again.written();
    assert.deepEqual(lines, ['runs again after a worker died under it']);
    const waking = { ...again.delivery, woken: { ranMs: 1 } };
    assert.equal((await worker().run(waking, TASK, wait, refuse)).outcome.kind, 'wait');
    assert.equal(lines.length, 1);
  });

  it('fail when their last permitted worker has died under them', async () => {
    const { worker, kept } = fleet();
    for (const stalls of [1, 2]) await dieUnder(worker(), job('killer', stalls).delivery);
    const { delivery, written } = job('killer', 3);
    const { outcome } = await worker().run(delivery, TASK, success, refuse);
    assert(outcome.kind === 'failure' && outcome.error instanceof WorkerLostError);
    assert.match(outcome.error.message, /3 workers died/);
    await written();
    assert.equal(kept.size, 0);
  });

  it('do not pay for the deaths of workers that had only fetched them', async () => {
    const { worker } = fleet();
    const { delivery, written } = job('neighbour', 20);
    assert.equal((await worker().run(delivery, TASK, success, refuse)).outcome.kind, 'success');
    await written();
  });

  it('do not pay for attempts that ended, with a retry or handed back', async () => {
    const { worker } = fleet();
    for (const kind of ['retry', 'handBack', 'later'] as const) {
      const { delivery, written } = job('patient', 5);
      const outcome = { kind, error: new Error('again'), delayMs: 1 } as Outcome;
      await worker().run(delivery, TASK, async () => executed(outcome, kind !== 'later'), refuse);
      await written();
    }
    assert.equal(
      (await worker().run(job('patient', 5).delivery, TASK, success, refuse)).outcome.kind,
      'success',
    );
  });

  it('wait while the broker is away, and leave the turn to others', async () => {
    const { worker, broker } = fleet();
    const suspects = worker();
    broker.away = true;
    assert.equal((await suspects.run(job('a', 1).delivery, TASK, success, refuse)).outcome.kind, 'later');
    broker.away = false;
    assert.equal((await suspects.run(job('b', 1).delivery, TASK, success, refuse)).outcome.kind, 'success');
  });

  it('let the next one begin after a minute: it may be what they wait for', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { worker } = fleet();
    const suspects = worker();
    await dieUnder(suspects, job('waits', 1).delivery);
    assert.equal((await suspects.run(job('b', 1).delivery, TASK, success, refuse)).outcome.kind, 'later');
    t.mock.timers.tick(60_000);
    assert.equal((await suspects.run(job('b', 1).delivery, TASK, success, refuse)).outcome.kind, 'success');
  });
});
