import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { channelsOf, eachNotice, isOf, routeOf } from '#src/broker/notice-channels.js';
import { RecentlyHeard } from '#src/broker/redis/recently-heard.js';
import { IdSource } from '#src/protocol/ids.js';

describe('The channel of a notice', () => {
  it('is one of 64 that the ids of a process share, told apart by a mark', () => {
    const ids = new IdSource();
    const routes = Array.from({ length: 10_000 }, () => routeOf(ids.next('q')));
    const channels = new Set(routes.map(({ channel }) => channel));
    assert.deepEqual([...channels].sort(), channelsOf(ids.stem).sort());
    assert.equal(channels.size, 64);
    assert.equal(new Set(routes.map(({ mark }) => mark)).size, 10_000);
    assert.ok(routes.every(({ channel }) => isOf(ids.stem, channel)));
  });

  it('is the same for ids made one after another, so that their notices travel together', () => {
    const ids = new IdSource();
    const channels = Array.from({ length: 64 }, () => routeOf(ids.next('q')).channel);
    assert.equal(new Set(channels).size, 1);
  });

  it('is the same whatever queue the id names, and another for another process', () => {
    const ids = new IdSource();
    const id = ids.next('a@b');
    assert.deepEqual(routeOf(id), routeOf(id.replace('@a@b', '@other')));
    assert.ok(!isOf(new IdSource().stem, routeOf(id).channel));
  });

  it('is its own for every other topic', () => {
    for (const topic of ['invoice-42', 'a/b', 'free:task', '', 'x,y', 'abcdefghijkl-0']) {
      assert.deepEqual(routeOf(topic), { channel: topic, mark: '' });
    }
  });

  it('carries many notices in one payload, each with or without a value', () => {
    const heard: [string, string | undefined][] = [];
    eachNotice('1a\n1b={"a":"=,"}\n\n="x"', (mark, told) => heard.push([mark, told]));
    assert.deepEqual(heard, [
      ['1a', undefined],
      ['1b', '{"a":"=,"}'],
      ['', undefined],
      ['', '"x"'],
    ]);
  });
});

describe('What a process has heard of its own ids', () => {
  it('vouches for none that was made before it listened', () => {
    const { ids, heard, make } = fresh();
    const before = make();
    assert.equal(heard.nothingOf(before), false);
    heard.begin();
    assert.equal(heard.nothingOf(before), false);
    assert.equal(heard.nothingOf(make()), true);
    assert.equal(ids.made, 2);
  });

  it('knows which were told of', () => {
    const { heard, make } = fresh();
    heard.begin();
    const [one, two] = [make(), make()];
    heard.note(one);
    assert.equal(heard.nothingOf(one), false);
    assert.equal(heard.nothingOf(two), true);
  });

  it('vouches for nothing while it does not listen, nor for what it may have missed meanwhile', () => {
    const { heard, make } = fresh();
    heard.begin();
    const old = make();
    heard.end();
    assert.equal(heard.nothingOf(old), false);
    heard.begin();
    assert.equal(heard.nothingOf(old), false);
    assert.equal(heard.nothingOf(make()), true);
  });

  it('never takes a notice it has forgotten for none', () => {
    const { heard, make } = fresh();
    heard.begin();
    const told: string[] = [];
    for (let i = 0; i < 40_000; i++) {
      const mark = make();
      told.push(mark);
      heard.note(mark);
      if (i % 997 === 0) assert.ok(told.every((each) => !heard.nothingOf(each)));
    }
    assert.equal(heard.nothingOf(make()), true);
  });
});

function fresh() {
  const ids = new IdSource();
  const heard = new RecentlyHeard(ids);
  return { ids, heard, make: () => routeOf(ids.next('q')).mark };
}
