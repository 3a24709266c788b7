import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Engine } from '#src/broker/broker.js';
import type { BrokerClock } from '#src/broker/clock.js';
import { AppClosedError, BrokerUnavailableError } from '#src/errors.js';
import { RetryWhileUnavailable } from '#src/results/retry-while-unavailable.js';

const gone = () => new BrokerUnavailableError('gone', { address: 'nowhere' });
const engine = { isUnavailable: () => false, wasThere: () => false } as unknown as Engine;
const clock = { measured: false } as unknown as BrokerClock;

describe('Waiting through an outage', () => {
  it('gives up at once where no broker was ever there, and goes on where one was', async () => {
    const patience = new RetryWhileUnavailable(engine, clock);
    await assert.rejects(
      patience.through(() => Promise.reject(gone())),
      BrokerUnavailableError,
    );
    patience.noteReached();
    let tries = 0;
    const value = await patience.through(async () => {
      if (++tries < 2) throw gone();
      return 'there';
    });
    assert.deepEqual([value, tries], ['there', 2]);
  });

  it('ends with AppClosedError when the app closes, also under a request that fails by it', async () => {
    const patience = new RetryWhileUnavailable(engine, clock);
    patience.noteReached();
    const failing = patience.through(async () => {
      patience.close();
      throw gone();
    });
    await assert.rejects(failing, AppClosedError);
    await assert.rejects(
      patience.through(async () => 'never'),
      AppClosedError,
    );
    const own = new RangeError('not of the broker');
    const other = new RetryWhileUnavailable(engine, clock);
    await assert.rejects(
      other.through(async () => {
        other.close();
        throw own;
      }),
      own,
    );
  });
});
