/**
 * A caller's own task ids: any string is one, on every engine, found from every process, and taken once.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import {
  BrokerUnavailableError,
  Celeriac,
  DuplicateTaskError,
  Ignore,
  OptionError,
  UnknownTaskError,
} from 'celeriac';
import { onEveryEngine, rejection, uniqueName, until } from '../support/app.js';

const ODD = [
  ' ',
  '\n',
  '%',
  '%41',
  '..',
  'a:b',
  ':',
  'ü😀',
  // Numbers to a counter, or to a script that answers with an error code.
  '123',
  '0',
  '-1',
  '-1e5',
  '-.5',
  '1e5',
  '0x10',
  // What lies beside the jobs of a queue.
  ...[
    'id',
    'meta',
    'wait',
    'active',
    'paused',
    'delayed',
    'completed',
    'failed',
    'stalled',
    'events',
    'marker',
  ],
  ...['prioritized', 'waiting-children', 'stalled-check', 'pc', 'limiter', 'repeat'],
  '__proto__',
  'constructor',
  // Long ones, that no index takes as they are.
  'x'.repeat(10_000),
  randomBytes(7_500).toString('base64'),
  '漢'.repeat(3_400),
  '\ud800'.repeat(3_400),
  // By its looks a part of a workflow.
  'subscription-2024.01',
  // One of ours, of a queue of that name.
  'notification-5@user',
  'notification-5.1@user',
];

onEveryEngine(
  (ground) => {
    it('is any string: it is what the task sees, and what finds it from elsewhere', async (t) => {
      const { app, twin, worker } = ground.app(t);
      const who = app.task('who', function () {
        return this.request.id;
      });
      await worker();
      await Promise.all(
        ODD.map(async (taskId) => assert.equal((await who.applyAsync([], { taskId })).id, taskId)),
      );
      const other = twin();
      for (const id of ODD) {
        const shown = JSON.stringify(id.slice(0, 30));
        assert.equal(await other.result(id).get({ timeout: '20s' }), id, shown);
        const snapshot = await other.result(id).snapshot();
        assert.deepEqual([snapshot.id, snapshot.known, snapshot.state], [id, true, 'SUCCESS'], shown);
        const states: string[] = [];
        for await (const { state } of other.result(id).updates()) states.push(state);
        assert.equal(states.at(-1), 'SUCCESS', shown);
        const again = await rejection(who.applyAsync([], { taskId: id }));
        assert.ok(again instanceof DuplicateTaskError, `${shown}: ${again}`);
        assert.equal(again.taskId, id);
      }
    });

    it('is revoked, forgotten and used again, whatever it is', async (t) => {
      const { app, twin, worker } = ground.app(t);
      const one = app.task('one', () => 1);
      const other = twin();
      for (const taskId of ODD) {
        await one.applyAsync([], { taskId });
        const reply = await other.result(taskId).revoke();
        assert.deepEqual(reply, { found: true, was: 'PENDING' }, JSON.stringify(taskId.slice(0, 30)));
      }
      await worker();
      await until(async () => {
        const known = await Promise.all(ODD.map((id) => other.result(id).snapshot()));
        return known.every(({ doneAt }) => doneAt !== undefined);
      }, 'the end of all');
      await Promise.all(ODD.map((id) => other.result(id).forget()));
      for (const taskId of ODD) {
        const sent = await one.applyAsync([], { taskId });
        assert.equal(await sent.get({ timeout: '20s' }), 1, JSON.stringify(taskId.slice(0, 30)));
      }
    });

    it('that was made for one queue is refused in another', async (t) => {
      const { app } = ground.app(t);
      const one = app.task('one', () => 1);
      const { id: taskId } = await one.delay();
      const error = await rejection(one.applyAsync([], { taskId, queue: 'other' }));
      assert.ok(error instanceof OptionError);
      assert.match(error.message, /celeriac".*"other"/s);
    });

    it('of a task that ended with Ignore gives undefined to who asks late; a record that is gone does not', async (t) => {
      const { app, twin, worker } = ground.app(t);
      const ignores = app.task('ignores', () => {
        throw new Ignore();
      });
      const one = app.task('one', () => 1);
      const { node } = await worker();
      const sent = [await ignores.delay(), await ignores.applyAsync([], { taskId: 'own' })];
      await until(async () => {
        const [stats] = Object.values(await app.inspect().stats());
        return stats !== undefined && 'processed' in stats && stats.processed.ignores === 2;
      }, `both to be done by ${node}`);
      const other = twin();
      for (const result of sent) {
        assert.equal(await result.get({ timeout: '20s' }), undefined);
        assert.equal(await other.result(result.id).get({ timeout: '20s' }), undefined);
        for await (const update of other.result(result.id).updates()) assert.fail(JSON.stringify(update));
        assert.equal(await other.result(result.id).exists(), false);
      }
      const kept = await one.delay();
      assert.equal(await kept.get({ timeout: '20s' }), 1);
      await kept.forget();
      assert.ok((await rejection(kept.get({ timeout: '20s' }))) instanceof UnknownTaskError);
    });
  },
  ['redis', 'memory', 'postgres'],
);

describe('A call that was refused', () => {
  it('has an id of the queue its route names', async () => {
    const app = new Celeriac(uniqueName(), {
      broker: 'redis://127.0.0.1:1/0',
      publishRetry: 200,
      routes: { 'mail.*': 'mail' },
    });
    const error = await rejection(app.sendTask('mail.send'));
    assert.ok(error instanceof BrokerUnavailableError);
    assert.match(error.taskId ?? '', /@mail$/);
    await app.close();
  });
});
