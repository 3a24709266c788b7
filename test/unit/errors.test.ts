import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Celeriac, CeleriacError, Ignore, isCeleriacError, Reject, TaskRevokedError } from 'celeriac';
import { decodeFailure, encodeFailure } from '#src/protocol/wire-error.js';

const NOWHERE = 'redis://127.0.0.1:1/0';

describe('An error of celeriac', () => {
  it('is known by its brand, never by code or name', () => {
    class Reject2 extends Reject {}
    assert.equal(isCeleriacError(new Reject('no'), 'REJECT'), true);
    assert.equal(isCeleriacError(new Reject2('no'), 'REJECT'), true);
    assert.equal(isCeleriacError(new Reject('no'), 'IGNORE'), false);
    assert.equal(isCeleriacError(Object.assign(new Error('no'), { code: 'REJECT', name: 'Reject' })), false);
    const ofAnotherCopy = Object.assign(new Error(), {
      code: 'IGNORE',
      [Symbol.for('celeriac.error')]: true,
    });
    assert.equal(isCeleriacError(ofAnotherCopy, 'IGNORE'), true);
    for (const other of [undefined, null, 'REJECT', { code: 'REJECT' }])
      assert.equal(isCeleriacError(other), false);
  });

  it('has a cause only where there is one', () => {
    assert.equal('cause' in new CeleriacError('no', { cause: undefined }), false);
    assert.equal(new CeleriacError('no', { cause: 'why' }).cause, 'why');
  });

  it('travels as one, and somebody else’s of the same name does not become one', () => {
    const theirs = Object.assign(new Error('theirs'), { name: 'TaskRevokedError', code: 'TASK_REVOKED' });
    const [ours, other] = [new TaskRevokedError({ taskId: '1' }), theirs].map((error) =>
      decodeFailure(JSON.parse(JSON.stringify(encodeFailure(error)))),
    );
    assert(ours instanceof TaskRevokedError && isCeleriacError(ours, 'TASK_REVOKED'));
    assert(!(other instanceof CeleriacError) && !isCeleriacError(other));
    assert.equal(other?.name, 'TaskRevokedError');
  });

  it('steers a worker; a foreign one with its code is an error like any other', async (t) => {
    const app = new Celeriac('codes', { broker: NOWHERE });
    t.after(() => app.close());
    let runs = 0;
    const pay = app.task('pay', { autoretryFor: true, maxRetries: 2 }, async (code: string) => {
      runs++;
      throw Object.assign(new Error('declined'), { code });
    });
    for (const code of ['REJECT', 'IGNORE', 'NOT_SERIALIZABLE']) {
      runs = 0;
      const result = await pay.apply([code]);
      assert.equal(await result.status, 'FAILURE', code);
      assert.equal(runs, 3, code);
    }
    const ignored = app.task('ignored', { autoretryFor: true }, async () => {
      throw new Ignore();
    });
    assert.equal(await (await ignored.apply([])).status, 'SUCCESS');
  });
});
