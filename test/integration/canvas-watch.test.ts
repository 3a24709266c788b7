/** Workflows that nobody would carry on: a part that expires where no worker takes it, and one whose job was removed. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chain, chord, group } from 'celeriac';
import { openEngine } from '#src/broker/open.js';
import { onEveryEngine, rejection } from '../support/app.js';

const SOON = { timeout: '40s' } as const;

/** As a dashboard would. */
async function removeJob(url: string, prefix: string, queue: string, id: string): Promise<void> {
  const engine = openEngine(url, {
    prefix,
    connectTimeoutMs: 5000,
    migrate: true,
    onTrouble: () => undefined,
    onRecovered: () => undefined,
  });
  const backend = await engine.backend(queue);
  await backend.remove(id, false);
  await engine.close();
}

describe('a part that expires in a queue that nobody consumes', () => {
  onEveryEngine(
    (ground) => {
      it('is ended at that moment by a worker of another queue, and with it what waits for it', async (t) => {
        const { app, worker } = ground.app(t);
        const one = app.task('one', async () => 1);
        const list = app.task('list', async (values: number[]) => values);
        const blame = app.task('blame', async () => 'called');
        await worker();
        const lost = one.si().set({ queue: 'nobody', expires: '1500ms' });
        const chorded = await chord([one.si(), lost], list.s()).delay();
        const chained = await chain(one.si(), lost, one.si()).link(blame.si()).delay();
        const grouped = await group(one.si(), lost).delay();
        assert.match((await rejection(chorded.get(SOON))).message, /expired/);
        assert.match((await rejection(chained.get(SOON))).message, /expired/);
        assert.match((await rejection(grouped.get(SOON))).message, /expired/);
      });
    },
    ['redis', 'memory', 'cluster'],
  );
});

describe('a part whose job somebody removed', () => {
  onEveryEngine((ground) => {
    it('fails its workflow, which says what is gone; one that only waits does not', async (t) => {
      const { app, worker, prefix } = ground.app(t, { lockDuration: '500ms', publishRetry: '500ms' });
      const one = app.task('one', async () => 1);
      const list = app.task('list', async (values: unknown) => values);
      const waits = await chain(one.si().set({ queue: 'nobody' }), list.s()).delay();
      const removed = await chord([one.si(), one.si().set({ queue: 'nobody' })], list.s()).delay();
      await worker();
      const [, member] =
        (removed.parent as { results: readonly { id: string }[] } | undefined)?.results ?? [];
      assert.ok(member !== undefined);
      await removeJob(ground.url, prefix, 'nobody', member.id);
      const error = await rejection(removed.get(SOON));
      assert.match(error.message, /one/);
      assert.match(String(error.cause), new RegExp(`${member.id.slice(0, 12)}.* is gone`));
      assert.equal(await waits.status, 'PENDING');
    });
  });
});
