import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { NotRegisteredError } from '#src/errors.js';
import type { Delivery } from '#src/queue/delivery.js';
import { UnknownTasks } from '#src/worker/run/unknown-tasks.js';
import { fakeRecords } from '../../../support/records.js';

const GRACE_MS = 60_000;

function unknownTasks() {
  const broker = { away: false };
  const lines: { readonly fields: object; readonly message: string }[] = [];
  const clock = { at: 1_000_000 };
  const { records, kept } = fakeRecords(broker);
  const logger = {
    debug() {},
    info() {},
    warn: (fields: object, message: string) => void lines.push({ fields, message }),
    error() {},
  };
  /** Another worker of the same fleet. */
  const worker = () =>
    new UnknownTasks({
      engine: { records } as never,
      clock: { now: () => clock.at } as never,
      registry: { nearest: () => 'mail.send' } as never,
      logger,
      unknownTaskGraceMs: GRACE_MS,
    });
  return { worker, lines, clock, kept, broker };
}

function delivery(id = 'id', deliveries = 1): Delivery {
  const ref = { queue: 'mail', id };
  return { taskId: id, jobId: id, name: 'mail.sned', queue: 'mail', ref, deliveries } as Delivery;
}

describe('A task that nobody knows', () => {
  it('is handed back for a time, however often it came by, here or elsewhere', async () => {
    const { worker, clock, kept } = unknownTasks();
    const [one, other] = [worker(), worker()];
    for (let n = 0; n < 500; n++) {
      clock.at += GRACE_MS / 1000;
      const outcome = await (n % 2 ? one : other).outcomeOf(delivery('id', 30 + n));
      assert.deepEqual(outcome, { kind: 'later', delayMs: 2000, yields: true });
    }
    clock.at += GRACE_MS;
    const outcome = await one.outcomeOf(delivery());
    assert(outcome.kind === 'failure' && outcome.error instanceof NotRegisteredError);
    assert.match(
      outcome.error.message,
      /"mail" .* "mail\.sned" \(tried for 60000 ms\)\. Did you mean "mail\.send"/,
    );
    assert.equal(kept.size, 0);
  });

  it('does not fail at its first look because of the retries it had behind it', async () => {
    const { worker } = unknownTasks();
    assert.equal((await worker().outcomeOf(delivery('id', 1000))).kind, 'later');
  });

  it('is logged when it is first met, once in the fleet', async () => {
    const { worker, lines } = unknownTasks();
    const [one, other] = [worker(), worker()];
    for (const met of [one, other, one]) await met.outcomeOf(delivery());
    assert.equal(lines.length, 1);
    assert.match(lines[0]?.message ?? '', /unknown task/);
    assert.deepEqual(lines[0]?.fields, {
      task: 'mail.sned',
      taskId: 'id',
      queue: 'mail',
      graceMs: GRACE_MS,
      nearest: 'mail.send',
    });
    await one.outcomeOf(delivery('another'));
    assert.equal(lines.length, 2);
  });

  it('waits while the broker is away', async () => {
    const { worker, broker, clock } = unknownTasks();
    await worker().outcomeOf(delivery());
    clock.at += 2 * GRACE_MS;
    broker.away = true;
    assert.equal((await worker().outcomeOf(delivery())).kind, 'later');
    broker.away = false;
    assert.equal((await worker().outcomeOf(delivery())).kind, 'failure');
  });
});
