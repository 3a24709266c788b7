/** What PostgreSQL's answers mean for whoever asked: again, elsewhere, or no. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import type { PgPool } from '#src/broker/postgres/driver.js';
import { isGone, isLater, wasThere } from '#src/broker/postgres/driver.js';
import { PgStatements } from '#src/broker/postgres/pool.js';
import { isCeleriacError } from '#src/index.js';

const failure = (code: string) => Object.assign(new Error(`failed with ${code}`), { code });
const EMPTY = { rows: [], rowCount: 0 };

/** A link to a server that answers with these errors, one after the other, and then as it should. */
function linkTo(codes: string[], connectTimeoutMs = 2_000) {
  const seen = { sent: 0, destroyed: 0, troubles: 0 };
  const pool: PgPool = {
    connect: async () => ({
      connect: async () => undefined,
      query: async () => {
        seen.sent++;
        const code = codes.shift();
        if (code !== undefined) throw failure(code);
        return EMPTY;
      },
      end: async () => undefined,
      release: (destroy) => {
        if (destroy) seen.destroyed++;
      },
      on: () => undefined,
    }),
    query: async () => EMPTY,
    end: async () => undefined,
    on: () => undefined,
    off: () => undefined,
  };
  const config = {
    prefix: 'p',
    connectTimeoutMs,
    migrate: false,
    onTrouble: () => void seen.troubles++,
    onRecovered: () => undefined,
  };
  const makeClient = () => assert.fail('nothing is slow here');
  return { link: new PgStatements({ pool, address: 'postgres://x', config, makeClient }), seen };
}

describe("PostgreSQL's answers", () => {
  const awake = setInterval(() => undefined, 60_000);
  after(() => clearInterval(awake));

  const LATER = ['40001', '40P01', '55P03', '57014', '25006', '53100', '53200', '53000'];
  const GONE = ['08006', '08P01', '57P01', '57P02', '57P03', '53300'];
  const NO = ['23505', '42P01', '22P02', 'BM001', '42501'];

  it('are told apart', () => {
    for (const code of LATER)
      assert.deepEqual([isLater(failure(code)), isGone(failure(code))], [true, false], code);
    for (const code of GONE)
      assert.deepEqual([isLater(failure(code)), isGone(failure(code))], [false, true], code);
    for (const code of NO)
      assert.deepEqual([isLater(failure(code)), isGone(failure(code))], [false, false], code);
    assert.equal(wasThere(new Error('wrapped', { cause: failure('57014') })), true);
    assert.equal(wasThere(failure('53300')), true);
    assert.equal(wasThere(failure('08006')), false);
  });

  it('"not now" is answered by sending it again, for calls and for the patient', async () => {
    for (const way of ['calls', 'patient'] as const) {
      const { link, seen } = linkTo(['57014', '40P01', '40001', '55P03']);
      assert.deepEqual(await link[way]('SELECT 1'), EMPTY);
      assert.deepEqual(seen, { sent: 5, destroyed: 0, troubles: 0 });
      link.close();
    }
  });

  it('"read-only" is asked of another connection: the roles may have changed', async () => {
    const { link, seen } = linkTo(['25006']);
    assert.deepEqual(await link.patient('SELECT 1'), EMPTY);
    assert.deepEqual([seen.sent, seen.destroyed], [2, 1]);
    link.close();
  });

  it('are unavailability for a caller whose second is over, and never the answer itself', async () => {
    const { link } = linkTo(Array<string>(50).fill('57014'), 100);
    await assert.rejects(link.calls('SELECT 1'), (error: Error) => {
      assert.ok(isCeleriacError(error, 'BROKER_UNAVAILABLE'));
      assert.match(error.message, /just now: failed with 57014/);
      return link.isUnavailable(error);
    });
    await assert.rejects(
      link.session((query) => query('SELECT 1')),
      (error: Error) => isCeleriacError(error, 'BROKER_UNAVAILABLE'),
    );
    assert.equal(link.isUnavailable(failure('57014')), true);
    link.close();
  });

  it('of "no" are passed on as they are, once', async () => {
    for (const code of NO) {
      const { link, seen } = linkTo([code]);
      await assert.rejects(link.patient('SELECT 1'), { code });
      assert.deepEqual([seen.sent, link.isUnavailable(failure(code))], [1, false]);
      link.close();
    }
  });
});
