import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BrokerUnavailableError, DuplicateTaskError, every, OptionError } from 'celeriac';
import type { Row, ScheduleStore } from '#src/coordination/schedule-store.js';
import type { Spec, StoredEntry } from '#src/schedules/entry.js';
import type { ScheduledCalls } from '#src/schedules/scheduled-calls.js';
import { Ticker } from '#src/schedules/ticker.js';

const START = 1_000_000;
const NAME = 'nightly';

/** One entry of every second in a broker of its own, and workers that tick it. */
function schedule(entry: Partial<StoredEntry> = {}) {
  const spec = { task: 'report', schedule: every(1_000), timezone: 'UTC' } as unknown as Spec;
  let row: Row<StoredEntry> | undefined = {
    value: { spec, anchorAt: START, nextAt: START, paused: false, ...entry },
    version: 1,
  };
  const clock = { at: START };
  const sent: string[] = [];
  const lines: string[] = [];
  const trouble = {
    sending: undefined as Error | undefined,
    placing: undefined as Error | undefined,
    foreign: false,
  };
  const store = {
    read: async () => new Map(row === undefined ? [] : [[NAME, row]]),
    replace: async (_: string, version: number, value: StoredEntry) => {
      if (row?.version !== version) return false;
      row = { value, version: version + 1 };
      return true;
    },
  } as unknown as ScheduleStore<StoredEntry>;
  const calls = {
    canTick: () => trouble.foreign === false,
    ownNext: () => undefined,
    place: () => {
      if (trouble.placing !== undefined) throw trouble.placing;
      return 'q';
    },
    tick: async (_: string, __: Spec, { taskId, at }: { taskId: string; at: number }) => {
      if (trouble.sending !== undefined) throw trouble.sending;
      sent.push(`${taskId} ${at - START}`);
    },
  } as unknown as ScheduledCalls;
  const line = (level: string) => (_: object, message: string) => lines.push(`${level}: ${message}`);
  const host = {
    clock: { now: () => clock.at },
    engine: { isUnavailable: () => false },
    logger: () => ({ info: line('info'), error: line('error') }),
  };
  return {
    clock,
    sent,
    lines,
    trouble,
    store,
    row: () => row,
    removed: () => {
      row = undefined;
    },
    worker: () => new Ticker(host as never, store, calls),
  };
}

describe('A tick', () => {
  it('is claimed, sent, and done with, and the entry says when the next is due', async () => {
    const { worker, row, sent } = schedule();
    const ticker = worker();
    const { row: after, overtaken } = await ticker.tick(NAME, row(), START);
    assert.equal(sent.length, 1);
    assert.deepEqual(
      [overtaken, after?.value.pending, after?.value.lastAt, after?.value.nextAt],
      [false, undefined, START, START + 1_000],
    );
    assert.equal(ticker.dueAt(after?.value as StoredEntry), START + 1_000);
  });

  it('is not there before its time, nor of an entry that is paused', async () => {
    const { worker, row, sent } = schedule({ nextAt: START + 1 });
    assert.equal((await worker().tick(NAME, row(), START)).overtaken, true);
    const paused = schedule({ nextAt: null, paused: true });
    await paused.worker().tick(NAME, paused.row(), START);
    assert.deepEqual(
      [sent, paused.sent, worker().dueAt(paused.row()?.value as StoredEntry)],
      [[], [], undefined],
    );
  });

  it('is sent by one of the workers that find it, by the same id whoever it is', async () => {
    const { worker, row, sent } = schedule();
    const known = row();
    const told = await Promise.all([worker().tick(NAME, known, START), worker().tick(NAME, known, START)]);
    assert.equal(sent.length, 1);
    assert.deepEqual(told.map(({ overtaken }) => overtaken).sort(), [false, true]);
    const again = schedule();
    await again.worker().tick(NAME, again.row(), START);
    assert.deepEqual(again.sent, sent);
  });

  it('is left alone by a worker that wants none, but for one that is claimed', async () => {
    const { worker, row, sent } = schedule();
    await worker().tick(NAME, row(), undefined);
    assert.deepEqual([sent, row()?.version], [[], 1]);
    const claimed = schedule({ pending: { at: START, taskId: 'x', claimedAt: START - 1_000 } });
    await claimed.worker().tick(NAME, claimed.row(), undefined);
    assert.deepEqual([claimed.sent, claimed.row()?.value.pending], [['x 0'], undefined]);
  });

  it('of an entry that needs code this process does not have is left to others', async () => {
    const { row, trouble, worker, sent } = schedule({ pending: { at: START, taskId: 'x@q', claimedAt: 0 } });
    trouble.foreign = true;
    await worker().tick(NAME, row(), START);
    assert.deepEqual([sent, row()?.version], [[], 1]);
  });

  it('of an entry that is removed meanwhile is not sent', async () => {
    const { worker, row, sent, removed } = schedule();
    const known = row();
    removed();
    assert.deepEqual(await worker().tick(NAME, known, START), { row: undefined, overtaken: true });
    assert.deepEqual(sent, []);
  });
});

describe('A claim', () => {
  it('of a worker that died is taken over after a moment; its own worker sends it at once', async () => {
    const { worker, row, sent, trouble, clock } = schedule();
    const gone = new BrokerUnavailableError('gone', { address: 'x' });
    trouble.sending = gone;
    const [mine, other] = [worker(), worker()];
    await assert.rejects(mine.tick(NAME, row(), START), gone);
    trouble.sending = undefined;
    const claimed = row()?.value as StoredEntry;
    assert.deepEqual([mine.dueAt(claimed), other.dueAt(claimed)], [START, START + 1_000]);
    await other.tick(NAME, row(), START);
    assert.deepEqual(sent, []);
    clock.at += 999;
    await mine.tick(NAME, row(), START);
    assert.equal(sent.length, 1);
  });

  it('ends with a call that cannot be made, and the log says why', async () => {
    const refused = schedule();
    refused.trouble.sending = new DuplicateTaskError('one is there', 'x');
    await refused.worker().tick(NAME, refused.row(), START);
    assert.match(refused.lines.join(), /^info: schedule nightly: report was not sent, since one is there/);
    assert.equal(refused.row()?.value.pending, undefined);
    const wrong = schedule();
    wrong.trouble.placing = new OptionError('no route');
    const { row } = await wrong.worker().tick(NAME, wrong.row(), START);
    assert.match(wrong.lines.join(), /^error: schedule nightly: report could not be sent/);
    assert.deepEqual([row?.value.pending, row?.value.nextAt], [undefined, START + 1_000]);
  });
});
