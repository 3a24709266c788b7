import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { every } from 'celeriac';
import { ScheduledCalls, type ScheduleHost, tickId } from '#src/schedules/scheduled-calls.js';
import { clockAt } from '../../support/fake-engine.js';

const AT = Date.UTC(2030, 0, 1);

interface Sent {
  readonly target: { readonly name: string; readonly publish: { readonly unique?: { key?(): string } } };
  readonly args: readonly unknown[];
  readonly options: { readonly headers: Record<string, string> };
  readonly settled: { readonly place?: string; readonly tick?: { taskId: string; addition: string } };
}

/** A process that has the code of these tasks, and what it sends. */
function calls(publish: object, ...known: string[]) {
  const sent: Sent[] = [];
  const target = (name: string) => ({ name, publish });
  const host = {
    clock: clockAt(AT),
    timezone: 'UTC',
    registry: { get: (name: string) => (known.includes(name) ? target(name) : undefined) },
    reference: target,
    codec: {
      packArgs: async (args: unknown[]) => JSON.stringify(args),
      compressArgs: (packed: string) => packed,
      decodeArgs: (args: unknown) => args as unknown[],
    },
    sender: {
      placeFor: ({ name }: { name: string }) => `now-${name}`,
      send: async (
        ...[to, args, options, settled]: [Sent['target'], unknown[], Sent['options'], Sent['settled']]
      ) => void sent.push({ target: to, args, options, settled }),
    },
  } as unknown as ScheduleHost;
  return { calls: new ScheduledCalls(host), sent };
}

const schedule = every(1_000);

describe('A call that is scheduled', () => {
  it('is stored whole: what it is called with, and where its task publishes', async () => {
    const unique = { mode: 'reject', ttlMs: 5, key: ([id]: unknown[]) => `key ${id}` };
    const spec = await calls({ queue: 'mail', unique }, 'report').calls.spec('report', schedule, [7], {});
    assert.deepEqual([spec.args, spec.place, spec.timezone], [[7], 'now-report', 'UTC']);
    assert.equal(spec.publish.queue, 'mail');
    assert.deepEqual(spec.publish.unique, { mode: 'reject', ttlMs: 5, key: 'key 7' });
    assert.deepEqual(JSON.parse(JSON.stringify(spec)).publish.unique, spec.publish.unique);
  });

  it('may not say what cannot be the same for every run', async () => {
    const { calls: one } = calls({}, 'report');
    for (const options of [{ taskId: 'mine' }, { eta: new Date(AT) }])
      await assert.rejects(
        one.spec('report', schedule, [], options as never),
        /cannot be the same for every run/,
      );
    for (const options of [{ link: [] }, { linkError: [] }])
      await assert.rejects(one.spec('report', schedule, [], options as never), /not for schedules/);
    await assert.rejects(one.spec('report', schedule, [], { priority: -1 }), { code: 'OPTION' });
  });

  it('goes where its code says now, and without the code where it was to go', async () => {
    const spec = { ...(await calls({}, 'report').calls.spec('report', schedule, [], {})), place: 'then' };
    assert.equal(calls({}, 'report').calls.place(spec), 'now-report');
    assert.equal(calls({}).calls.place(spec), 'then');
  });
});

describe('A tick', () => {
  it('has one id for one moment of one schedule in one place, whoever works it out', () => {
    assert.equal(tickId('nightly', AT, 'q'), tickId('nightly', AT, 'q'));
    const ids = [tickId('nightly', AT, 'q'), tickId('nightly', AT + 1, 'q'), tickId('other', AT, 'q')];
    assert.equal(new Set([...ids, tickId('nightly', AT, 'other')]).size, 4);
    assert.match(ids[0] ?? '', /@q$/);
  });

  it('is sent under its id to where that says, and tells the task what it runs for', async () => {
    const { calls: one, sent } = calls({}, 'report');
    const spec = await one.spec('report', schedule, [7], { headers: { mine: '1' } });
    const pending = { taskId: tickId('nightly', AT, 'q@home'), at: AT, claimedAt: AT };
    await one.tick('nightly', spec, pending);
    await one.tick('nightly', spec, pending);
    const [first, second] = sent;
    assert.deepEqual(
      [first?.args, first?.settled.place, first?.settled.tick?.taskId],
      [[7], 'q@home', pending.taskId],
    );
    assert.deepEqual(first?.options.headers, {
      mine: '1',
      scheduleName: 'nightly',
      scheduledAt: '2030-01-01T00:00:00.000Z',
    });
    assert.notEqual(first?.settled.tick?.addition, second?.settled.tick?.addition);
  });

  it('is sent by a process without the code as its task would have been, its key included', async () => {
    const unique = { mode: 'reject', key: () => 'key' };
    const spec = await calls({ queue: 'mail', unique }, 'report').calls.spec('report', schedule, [], {});
    const { calls: elsewhere, sent } = calls({});
    await elsewhere.now('nightly', JSON.parse(JSON.stringify(spec)));
    const [{ target, settled } = assert.fail()] = sent;
    assert.deepEqual(
      [target.name, target.publish.unique?.key?.(), settled.tick],
      ['report', 'key', undefined],
    );
    assert.equal(settled.place, spec.place);
  });
});

describe('The jitter of a schedule', () => {
  it('starts each task at a moment of its own within it, the same whoever sends the tick', async () => {
    const spread = every(1_000, { jitter: 10_000 });
    const countdowns = async () => {
      const { calls: made, sent } = calls({}, 'task');
      const spec = await made.spec('task', spread, [], { countdown: 500 });
      for (let at = AT; at < AT + 50_000; at += 1_000)
        await made.tick('s', spec, { at, taskId: tickId('s', at, 'q'), claimedAt: at });
      return sent.map(({ options }) => (options as { countdown?: number }).countdown ?? -1);
    };
    const all = await countdowns();
    assert.deepEqual(all, await countdowns());
    assert.ok(
      all.every((ms) => ms >= 500 && ms < 10_500),
      String(all),
    );
    assert.ok(new Set(all).size > 40, 'each its own');
    assert.ok(Math.max(...all) - Math.min(...all) > 5_000, 'over the whole of it');
  });
});
