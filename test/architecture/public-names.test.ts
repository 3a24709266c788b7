import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { describe, it } from 'node:test';
import * as celeriac from 'celeriac';
import * as client from 'celeriac/client';
import * as nestjs from 'celeriac/nestjs';
import * as react from 'celeriac/react';
import * as kit from 'celeriac/testing';
import * as transactions from 'celeriac/transactions';
import * as web from 'celeriac/web';

/** Everything users can import as a value. A name that goes breaks programs; one that comes needs docs. */
const NAMES = [
  'AlreadyRegisteredError',
  'AppClosedError',
  'AsyncResult',
  'BatchError',
  'BrokerError',
  'BrokerInUseError',
  'BrokerUnavailableError',
  'Celeriac',
  'CeleriacError',
  'ChordError',
  'Control',
  'DuplicateTaskError',
  'EagerResult',
  'FailedTasks',
  'GroupResult',
  'Ignore',
  'Inspect',
  'InvalidArgumentsError',
  'MaxRetriesExceededError',
  'NotRegisteredError',
  'NotSerializableError',
  'OptionError',
  'PayloadTooLargeError',
  'Queues',
  'Reject',
  'ResultTimeoutError',
  'Schedules',
  'Signature',
  'SoftTimeLimitExceeded',
  'StepError',
  'StreamRestartedError',
  'StreamTruncatedError',
  'Task',
  'TaskError',
  'TaskFailedError',
  'TaskRevokedError',
  'TaskService',
  'TimeLimitExceeded',
  'UnknownTaskError',
  'WaitTimeoutError',
  'Worker',
  'WorkerLostError',
  'at',
  'chain',
  'chord',
  'crontab',
  'currentTask',
  'every',
  'group',
  'isCeleriacError',
  'states',
];

describe('The package', () => {
  it('exports these names and no others; change the list together with docs and changelog', () => {
    assert.deepEqual(Object.keys(celeriac).sort(), NAMES);
  });

  it('exports these names from its other entry points', () => {
    assert.deepEqual(Object.keys(nestjs).sort(), ['CeleriacModule', 'InjectTasks']);
    assert.deepEqual(Object.keys(kit), ['testing']);
    assert.deepEqual(Object.keys(web).sort(), ['follow', 'followToken', 'web']);
    assert.deepEqual(Object.keys(client), ['follow']);
    assert.deepEqual(Object.keys(react), ['useTask']);
    assert.deepEqual(Object.keys(transactions).sort(), [
      'fromDrizzle',
      'fromKnex',
      'fromKysely',
      'fromMikroOrm',
      'fromPostgresJs',
      'fromPrisma',
      'fromTypeOrm',
    ]);
  });

  it('has no deep imports', async () => {
    await assert.rejects(import('celeriac/dist/app.js' as string), { code: 'ERR_PACKAGE_PATH_NOT_EXPORTED' });
    await assert.rejects(import('celeriac/app' as string), { code: 'ERR_PACKAGE_PATH_NOT_EXPORTED' });
  });

  it('can be required where Node requires modules, and gives the same classes', () => {
    const require = createRequire(import.meta.url);
    const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
    if (major < 22 && !(major === 20 && minor >= 19)) return;
    const required = require('celeriac') as typeof celeriac;
    assert.equal(required.Celeriac, celeriac.Celeriac);
  });

  it('gives each error its own name, code and place in the tree', () => {
    for (const [name, value] of Object.entries(celeriac)) {
      if (typeof value !== 'function' || !(value.prototype instanceof Error)) continue;
      assert.equal((value.prototype as Error).name, name);
      assert(value === celeriac.CeleriacError || value.prototype instanceof celeriac.CeleriacError, name);
    }
  });
});
