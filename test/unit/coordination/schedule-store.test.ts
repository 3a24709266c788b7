/** What thousands of schedules cost those who change one and those who have to know of it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Engine, NoticeListener, StoredRecord } from '#src/broker/broker.js';
import { ScheduleStore } from '#src/coordination/schedule-store.js';
import { ScheduleView } from '#src/coordination/schedule-view.js';
import type { StoredEntry } from '#src/schedules/entry.js';
import type { ScheduleHost } from '#src/schedules/scheduled-calls.js';
import { Scheduler } from '#src/schedules/scheduler.js';
import { clockAt } from '../../support/fake-engine.js';
import { FakeRecords } from '../../support/fake-records.js';

const MANY = 2000;
const NOW = 1_000_000;

describe('Thousands of schedules', () => {
  it('are added and changed one by one with a few small writes each', async () => {
    const { engine, records } = broker();
    const store = new ScheduleStore<StoredEntry>(engine);
    await records.atOnce(async () => {
      for (const name of names(MANY)) await store.update(name, () => entry('old'));
    });
    for (const name of ['one more', 'customer 7']) {
      records.forget();
      await store.update(name, () => entry('new'));
      const { create, read, replace } = records.calls;
      assert.ok(create + replace <= 5, `${create + replace} writes for ${name}`);
      assert.ok(read <= 8, `${read} reads for ${name}`);
      assert.ok(records.bytes < 16_000, `${records.bytes} bytes for ${name}`);
    }
    records.forget();
    assert.equal(await store.remove('customer 8'), true);
    assert.ok(records.bytes < 16_000, `${records.bytes} bytes for a removal`);
  });

  it('are not read again by a worker when one of them changes', async () => {
    const { engine, records } = broker();
    const store = new ScheduleStore<StoredEntry>(engine);
    await records.atOnce(async () => {
      for (const name of names(MANY)) await store.update(name, () => entry('old'));
    });
    const scheduler = new Scheduler(hostOn(engine));
    await scheduler.start();
    for (const change of [
      () => store.update('customer 5', () => entry('new')),
      () => store.update('customer x', () => entry('new')),
      () => store.remove('customer 9'),
    ]) {
      records.forget();
      await change();
      await records.quiet();
      assert.ok(records.keysRead < 60, `${records.keysRead} records read`);
      assert.ok(records.bytes < 32_000, `${records.bytes} bytes`);
    }
    await scheduler.stop();
  });

  it('set at the same time share their writes of the index', async () => {
    const { engine, records } = broker();
    const store = new ScheduleStore<StoredEntry>(engine);
    await Promise.all(names(MANY).map((name) => store.update(name, () => entry('x'))));
    const { create, replace } = records.calls;
    assert.ok(create + replace < MANY * 1.6, `${create + replace} writes`);
    assert.equal((await store.readAll()).size, MANY);
  });
});

describe('A view of the schedules', () => {
  it('follows what comes, changes, goes and comes again', async () => {
    const { engine } = broker();
    const store = new ScheduleStore<string>(engine);
    const view = new ScheduleView(store);
    const seen = async () => {
      await view.catchUp((await store.look([])).head);
      return Object.fromEntries([...view.rows].map(([name, { value }]) => [name, value]).sort());
    };
    assert.deepEqual(await seen(), {});
    await store.update('a', () => '1');
    await store.update('__proto__', () => '1');
    assert.deepEqual(await seen(), { a: '1', ['__proto__']: '1' });
    await store.update('a', () => '2');
    assert.equal((await seen()).a, '2');
    await store.remove('a');
    assert.equal('a' in (await seen()), false);
    await store.update('a', () => '3');
    assert.equal((await seen()).a, '3');
    // Gone and back between two looks, at the version it had before.
    await store.remove('a');
    await store.update('a', () => '4');
    assert.equal((await seen()).a, '4');
  });

  it('comes round to what was changed by a program that died before it told of it', async () => {
    const { engine, records } = broker();
    const store = new ScheduleStore<string>(engine);
    for (const name of names(20)) await store.update(name, () => '1');
    const view = new ScheduleView(store);
    await view.catchUp((await store.look([])).head);
    await records.replace('schedule:customer 3', 1, JSON.stringify('2'));
    await view.catchUp((await store.look([])).head);
    assert.equal(view.rows.get('customer 3')?.value, '1');
    for (let i = 0; i < 20; i++) await view.readSome();
    assert.equal(view.rows.get('customer 3')?.value, '2');
  });

  it('keeps what comes again while it is taken off the list', async () => {
    const { engine, records } = broker();
    const store = new ScheduleStore<string>(engine);
    await store.update('one', () => 'before');
    const remove = records.remove.bind(records);
    records.remove = async (...args) => {
      const removed = await remove(...args);
      // Another program, which found it listed still.
      await records.create('schedule:one', JSON.stringify('after'));
      return removed;
    };
    await store.remove('one');
    assert.deepEqual(
      [...(await store.readAll())].map(([name, { value }]) => [name, value]),
      [['one', 'after']],
    );
  });

  it('shows what is listed though its first change was never told of', async () => {
    const { engine, records } = broker();
    const store = new ScheduleStore<string>(engine);
    await store.index.list('half');
    await records.create('schedule:half', JSON.stringify('1'));
    const view = new ScheduleView(store);
    await view.catchUp((await store.look([])).head);
    assert.equal(view.rows.get('half')?.value, '1');
  });
});

describe('Schedules listed in one record, as earlier versions did', () => {
  it('are taken over, those without a record left out', async () => {
    const { engine, records } = broker();
    await records.create('schedules', JSON.stringify([...names(300), 'gone']));
    for (const name of names(300)) await records.create(`schedule:${name}`, JSON.stringify(name));
    const store = new ScheduleStore<string>(engine);
    const view = new ScheduleView(store);
    await view.catchUp((await store.look([])).head);
    assert.deepEqual([...view.rows.keys()].sort(), [...names(300)].sort());
    assert.equal((await store.readAll()).get('customer 7')?.value, 'customer 7');
    assert.equal(records.kept.has('schedules'), false);
    // One that still runs lists what it sets where it always did.
    await records.create('schedule:late', JSON.stringify('late'));
    await records.create('schedules', JSON.stringify(['late']));
    await view.catchUp((await store.look([])).head);
    assert.equal(view.rows.get('late')?.value, 'late');
  });
});

/** Records that count what goes to and fro, and answer in a later turn. */
class MeteredRecords extends FakeRecords {
  bytes = 0;
  keysRead = 0;
  #underWay = 0;
  #atOnce = false;

  /** Answers without a turn in between, while a test lays down what is there before it. */
  async atOnce(body: () => Promise<void>): Promise<void> {
    this.#atOnce = true;
    await body();
    this.#atOnce = false;
  }

  forget(): void {
    this.bytes = 0;
    this.keysRead = 0;
    Object.assign(this.calls, { create: 0, read: 0, replace: 0, remove: 0 });
  }

  /** Resolves when nobody has asked for anything for a while of turns. */
  async quiet(): Promise<void> {
    // A look that follows another one begins some milliseconds later.
    for (let idle = 0; idle < 60; idle++) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      if (this.#underWay > 0) idle = 0;
    }
  }

  override create(key: string, value: string, ttlMs?: number): Promise<boolean> {
    this.bytes += value.length;
    return this.#later(() => super.create(key, value, ttlMs));
  }

  override async read(keys: readonly string[]): Promise<(StoredRecord | undefined)[]> {
    this.keysRead += keys.length;
    const found = await this.#later(() => super.read(keys));
    for (const record of found) this.bytes += record?.value.length ?? 0;
    return found;
  }

  override replace(key: string, version: number, value: string, ttlMs?: number): Promise<boolean> {
    this.bytes += value.length;
    return this.#later(() => super.replace(key, version, value, ttlMs));
  }

  async #later<R>(body: () => Promise<R>): Promise<R> {
    this.#underWay++;
    if (!this.#atOnce) await new Promise((resolve) => setImmediate(resolve));
    return body().finally(() => this.#underWay--);
  }
}

function broker() {
  const records = new MeteredRecords();
  const listeners = new Set<NoticeListener>();
  const signals = {
    notify: () => {
      for (const listener of listeners) listener();
    },
    subscribe: async (_topic: string, listener: NoticeListener) => void listeners.add(listener),
    unsubscribe: (_topic: string, listener: NoticeListener) => listeners.delete(listener),
  };
  return { engine: { records, signals, isUnavailable: () => false } as unknown as Engine, records };
}

function hostOn(engine: Engine): ScheduleHost {
  return {
    engine,
    clock: clockAt(NOW),
    registry: { all: () => [], onAdded: () => () => undefined },
    timezone: 'UTC',
    logger: () => console,
  } as unknown as ScheduleHost;
}

function entry(task: string): StoredEntry {
  const spec = { task, args: [], options: {}, schedule: { kind: 'every', everyMs: 60_000 }, timezone: 'UTC' };
  return { spec, anchorAt: NOW, nextAt: NOW + 1e9, paused: false } as unknown as StoredEntry;
}

function names(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `customer ${i}`);
}
