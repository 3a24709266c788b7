import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Engine, JobRef } from '#src/broker/broker.js';
import { Semaphores } from '#src/coordination/semaphore.js';
import type { TaskLookup } from '#src/coordination/task-record.js';
import { FakePlaces } from '../../support/fake-places.js';

const LEASE = 1000;
const job = (id: string): JobRef => ({ queue: 'q', id });

/** Places, a clock that is set, and jobs that run unless they are said to be `idle` or `gone`. */
function fleet() {
  const places = new FakePlaces();
  const clock = { ms: 10_000.4, now: () => clock.ms };
  const idle = new Set<string>();
  const gone = new Set<string>();
  const promoted: string[] = [];
  let refusals = 0;
  const looked: number[] = [];
  const engine = {
    places,
    backend: async () => ({
      promote: async (id: string) => {
        if (gone.has(id) || refusals-- > 0) throw new Error('not delayed');
        promoted.push(id);
      },
    }),
  } as unknown as Engine;
  const tasks = {
    read: async (refs: readonly JobRef[]) => {
      looked.push(refs.length);
      return refs.map(({ id }) => (gone.has(id) ? undefined : { running: !idle.has(id) }));
    },
  } as unknown as TaskLookup;
  const semaphores = new Semaphores(engine, tasks, clock, LEASE);
  const enter = (id: string, limit: number, list = true) => semaphores.enter('x', limit, job(id), list);
  const fill = async (count: number) => {
    for (let n = 0; n < count; n++) assert.deepEqual(await enter(`h${n}`, count), { held: true });
  };
  const refuse = (times: number) => {
    refusals = times;
  };
  return { places, clock, idle, gone, promoted, looked, semaphores, enter, fill, refuse };
}

describe('A semaphore', () => {
  it('lets in as many as the limit says, lists who is to be called back, and no other', async () => {
    const { enter, fill, semaphores } = fleet();
    await fill(2);
    assert.deepEqual(await enter('h1', 2), { held: true }, 'who has a place keeps it');
    assert.deepEqual(await enter('a', 2), { held: false, listed: true });
    assert.deepEqual(await enter('b', 2, false), { held: false, listed: false });
    assert.deepEqual(await enter('a', 2, false), { held: false, listed: true }, 'it keeps its turn');
    assert.equal(await semaphores.mayEnter('x', 2), false);
    assert.equal(await semaphores.mayEnter('x', 3), true);
  });

  it('lists so many, and leaves the others to themselves', async () => {
    const { enter, fill } = fleet();
    await fill(1);
    const replies = await Promise.all(Array.from({ length: 70 }, (_, n) => enter(`w${n}`, 1)));
    assert.equal(replies.filter((reply) => !reply.held && reply.listed).length, 64);
  });

  it('calls back who got the place of another, again if it was about to park', async () => {
    const { enter, fill, semaphores, promoted, places, refuse } = fleet();
    await fill(1);
    await enter('a', 1);
    await enter('b', 1);
    refuse(1);
    await semaphores.leave('x', 1, job('h0'));
    assert.deepEqual(promoted, ['a']);
    assert.deepEqual(places.held('x'), ['a']);
    await semaphores.leave('x', 1, job('nobody'));
    assert.deepEqual(promoted, ['a']);
  });

  it('takes the place of one whose worker died, not before it is doubted', async () => {
    const { enter, fill, clock, idle, places, looked, semaphores, promoted } = fleet();
    await fill(2);
    idle.add('h1');
    assert.deepEqual(await enter('a', 2), { held: false, listed: true });
    assert.deepEqual(looked, [], 'nobody is doubted yet');
    clock.ms += LEASE;
    assert.deepEqual(await enter('b', 2), { held: false, listed: true }, 'the first in line was before it');
    assert.deepEqual(places.held('x'), ['h0', 'a']);
    assert.deepEqual(promoted, ['a']);
    assert.equal(await semaphores.mayEnter('x', 2), false);
    assert.deepEqual(looked, [2], 'who was looked at is not doubted for the time being');
  });

  it('gives the asker a dead one’s place at once, when nobody else waits', async () => {
    const { enter, fill, clock, idle, promoted, semaphores } = fleet();
    await fill(1);
    idle.add('h0');
    clock.ms += LEASE;
    assert.deepEqual(await enter('a', 1), { held: true });
    assert.deepEqual(promoted, [], 'it runs already');
    clock.ms += LEASE + 1;
    idle.add('a');
    assert.equal(await semaphores.mayEnter('x', 1), true);
  });

  it('finds the dead one among many that have been running for long', async () => {
    const { enter, fill, clock, idle, looked } = fleet();
    await fill(150);
    idle.add('h149');
    clock.ms += LEASE;
    assert.deepEqual(await enter('a', 150), { held: true });
    assert.deepEqual(looked, [64, 64, 22], 'in steps, each of them once');
  });

  it('does not leave a place to one that ended while it was in line', async () => {
    const { enter, fill, gone, places, promoted, semaphores } = fleet();
    await fill(1);
    for (const id of ['a', 'b', 'c']) await enter(id, 1);
    gone.add('a').add('b');
    await semaphores.leave('x', 1, job('h0'));
    assert.deepEqual(places.held('x'), ['c']);
    assert.deepEqual(promoted, ['c']);
  });

  it('leaves it to one that runs already, though it could not be called', async () => {
    const { enter, fill, places, semaphores, refuse } = fleet();
    await fill(1);
    await enter('a', 1);
    refuse(9);
    await semaphores.leave('x', 1, job('h0'));
    assert.deepEqual(places.held('x'), ['a']);
  });

  it('asks the broker once for each step, however many hold places', async () => {
    const { enter, fill, places, semaphores } = fleet();
    await fill(500);
    places.calls.length = 0;
    await enter('a', 500);
    await semaphores.mayEnter('x', 500);
    await semaphores.leave('x', 500, job('h7'));
    assert.deepEqual(places.calls, ['enter', 'room', 'leave']);
  });
});
