import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Delivery } from '#src/queue/delivery.js';
import { runWhenWritten } from '#src/worker/run/hooks.js';
import type { Execution, Outcome } from '#src/worker/run/outcome.js';
import { gate } from '../../../support/app.js';

/** What a delivery does once its outcome is written, and what the hooks of its task have heard. */
function ended(outcome: Outcome, told: Promise<void> = Promise.resolve()) {
  const afterwards: (() => Promise<void>)[] = [];
  const heard: Outcome['kind'][] = [];
  const tell = async ({ kind }: Outcome) => {
    heard.push(kind);
    await told;
  };
  const delivery = { afterwards: (body: () => Promise<void>) => void afterwards.push(body) };
  runWhenWritten(delivery as unknown as Delivery, { outcome, hooks: { run: tell } } as unknown as Execution);
  return { afterwards, heard };
}

describe('The hooks of an attempt', () => {
  it('hear nothing before its outcome is written, and are waited for from then on', async () => {
    const held = gate();
    const { afterwards, heard } = ended({ kind: 'success', value: 1, encoded: 1 }, held.opened);
    assert.deepEqual(heard, []);
    let over = false;
    const following = Promise.all(afterwards.map((body) => body())).then(() => {
      over = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual([heard, over], [['success'], false]);
    held.open();
    await following;
  });

  it('hear of a success, a failure and a retry, and of nothing else', () => {
    const kinds: Outcome[] = [
      { kind: 'failure', error: new Error() },
      { kind: 'retry', error: new Error(), delayMs: 1 },
      { kind: 'ignore' },
      { kind: 'revoked', reason: undefined },
      { kind: 'handBack' },
      { kind: 'lost' },
      { kind: 'later', delayMs: 1 },
      { kind: 'replaced', flow: 'x' },
    ];
    assert.deepEqual(
      kinds.filter((outcome) => ended(outcome).afterwards.length > 0).map(({ kind }) => kind),
      ['failure', 'retry'],
    );
  });
});
