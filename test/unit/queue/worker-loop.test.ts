import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { Slots } from '#src/queue/slots.js';
import { ModelConsumer, ModelQueue, type Pending } from '../../support/loop-model.js';

const turn = () => new Promise((resolve) => setImmediate(resolve));
async function settle(): Promise<void> {
  for (let i = 0; i < 4; i++) await turn();
}

const begun: ModelConsumer[] = [];
// One that waits for a slot looks again and again, so a process would never end.
afterEach(() => {
  for (const consumer of begun.splice(0)) consumer.stop();
});

async function setUp(size: number, ...jobs: string[]) {
  const queue = new ModelQueue();
  for (const id of jobs) queue.add(id);
  const slots = new Slots(size);
  const consumer = new ModelConsumer(queue, slots);
  begun.push(consumer);
  const asked = () => queue.pending.map(({ what }) => what);
  const answer = async (what: Pending['what'], how: Parameters<Pending['answer']>[0] = 'yes') => {
    const pending = queue.pending.find((other) => other.what === what);
    assert(pending !== undefined, `nobody asked to ${what}: ${asked().join()}`);
    pending.answer(how);
    await settle();
  };
  await settle();
  return { queue, slots, consumer, asked, answer };
}

describe('The loop of a consumer', () => {
  it('begins a job at once, and asks for the marker it left before it fetches again', async () => {
    const { queue, asked, answer } = await setUp(5, 'a', 'b');
    await answer('fetch');
    assert.deepEqual(asked(), ['body', 'wait']);
    await answer('wait');
    await answer('fetch');
    assert.deepEqual(asked(), ['body', 'body', 'fetch'], 'a second one: there may be many');
    await answer('fetch');
    assert.deepEqual(asked(), ['body', 'body', 'wait']);
    assert.equal(queue.active.size, 2);
  });

  it('fetches nothing that it has no slot for, and goes on when one is free', async () => {
    const { consumer, asked, answer } = await setUp(1, 'a', 'b');
    consumer.settlement = { kind: 'release' };
    await answer('fetch');
    await answer('wait');
    assert.deepEqual(asked(), ['body']);
    await answer('body');
    await answer('write');
    assert.deepEqual(asked(), ['fetch']);
  });

  it('takes no job with the end of one that has lent its slot', async () => {
    const { queue, slots, asked, answer } = await setUp(1, 'a', 'b', 'c');
    await answer('fetch');
    await answer('wait');
    queue.pending.find(({ what }) => what === 'body')?.run?.lendSlot();
    await settle();
    await answer('fetch');
    assert.deepEqual([asked(), slots.used, queue.wait.length], [['body', 'body'], 1, 1]);
    await answer('body');
    await answer('write');
    assert.deepEqual([asked(), slots.used], [['body'], 1]);
    assert.deepEqual([queue.wait, queue.ended], [['c'], ['a']]);
  });

  it('puts a marker back that came while its slots were taken', async () => {
    const { queue, slots, asked, answer } = await setUp(1);
    await answer('fetch');
    slots.take(); // by another queue
    queue.add('a');
    await answer('wait');
    assert.deepEqual(asked(), []);
    assert.notEqual(queue.takeMarker(), null, 'somebody else may have a slot');
    slots.give();
    await settle();
    await answer('fetch');
    assert.equal(queue.active.size, 1);
  });

  it('takes the next job with the end of one, on the same slot', async () => {
    const { queue, slots, consumer, asked, answer } = await setUp(1, 'a', 'b');
    await answer('fetch');
    await answer('wait');
    await answer('body');
    await answer('write');
    assert.deepEqual([asked(), slots.used, [...queue.active.keys()]], [['body'], 1, ['b']]);
    consumer.stop();
    await answer('body');
    await answer('write');
    await consumer.ended;
    assert.equal(slots.used, 0);
  });

  it('begins a job whose fetch was answered late only if it is still its own', async () => {
    const { queue, slots, consumer, asked, answer } = await setUp(1, 'a', 'b', 'c');
    consumer.sureMs = 0;
    await answer('fetch');
    assert.deepEqual(asked(), ['renew']);
    queue.stall('a'); // its lock has expired; somebody else will have it
    queue.wait.pop();
    await answer('renew');
    assert.deepEqual([asked(), slots.used, consumer.locks], [['fetch'], 1, 0], 'it has not begun');
    await answer('fetch');
    await answer('renew');
    assert.deepEqual([[...queue.active.keys()], consumer.locks], [['b'], 1]);
    await answer('wait');
    await answer('body');
    await answer('write'); // brings the next
    assert.deepEqual(asked(), ['renew']);
    queue.stall('c');
    await answer('renew');
    assert.deepEqual([asked().includes('body'), slots.used - consumer.loop.slotsInUse], [false, 0]);
    assert.equal(consumer.locks, 0);
    assert.deepEqual(consumer.errors, []);
  });

  it('leaves a job alone whose fetch was answered late where it cannot ask', async () => {
    const { slots, consumer, asked, answer } = await setUp(1, 'a');
    consumer.sureMs = 0;
    await answer('fetch');
    await answer('renew', 'refused');
    assert.deepEqual([asked(), slots.used, consumer.errors.length], [['pause'], 0, 1]);
  });

  it('comes late to what is due once it has refused a task, so that a worker that knows it comes first', async () => {
    const { queue, consumer, answer } = await setUp(1, 'known');
    queue.dueAt = Date.now() + 60_000;
    consumer.settlement = { kind: 'postpone', delayMs: 60_000 };
    await answer('fetch');
    await answer('wait');
    await answer('body');
    await answer('write');
    await answer('fetch');
    assert.equal(consumer.waitsUntil, queue.dueAt, 'a task that is only early');
    queue.add('unknown');
    consumer.settlement = { kind: 'postpone', delayMs: 60_000, yields: true };
    await answer('wait');
    await answer('fetch');
    await answer('wait');
    await answer('body');
    await answer('write');
    await answer('fetch');
    assert.ok(consumer.waitsUntil > queue.dueAt, `${consumer.waitsUntil - queue.dueAt} ms late`);
  });

  it('pauses after each refusal, and holds no slot meanwhile', async () => {
    const { slots, consumer, asked, answer } = await setUp(2, 'a');
    for (let tries = 1; tries <= 3; tries++) {
      await answer('fetch', 'refused');
      assert.deepEqual([asked(), slots.used, consumer.errors.length], [['pause'], 0, tries]);
      await answer('pause');
    }
    assert.deepEqual(consumer.rests, [100, 200, 400], 'ever longer');
    await answer('fetch');
    await answer('wait');
    await answer('fetch', 'refused');
    assert.equal(consumer.rests.at(-1), 100, 'until something is answered');
    await answer('pause');
    assert.deepEqual(asked(), ['body', 'fetch']);
  });

  it('ends with the last job where nothing came with its end', async () => {
    const { queue, slots, consumer, asked, answer } = await setUp(1, 'a');
    await answer('fetch');
    await answer('wait');
    await answer('body');
    await answer('write');
    assert.deepEqual([asked(), queue.ended, consumer.locks], [['fetch'], ['a'], 0]);
    await answer('fetch');
    assert.equal(slots.used, 0);
  });

  it('fetches when its wait is over without a marker', async () => {
    const { consumer, asked, answer } = await setUp(1);
    await answer('fetch');
    await answer('wait');
    assert.deepEqual([asked(), consumer.errors], [['fetch'], []]);
  });

  it('writes a failure that was decided on before, and runs nothing', async () => {
    const { queue, consumer, asked, answer } = await setUp(1);
    const receive = consumer.receive.bind(consumer);
    consumer.receive = (...args) => Object.assign(receive(...args), { deferredFailure: 'a child failed' });
    await answer('fetch');
    queue.add('a');
    await answer('wait');
    await answer('fetch');
    assert.deepEqual(asked(), ['write', 'wait']);
    await answer('write');
    assert.deepEqual(queue.ended, ['a']);
  });

  it('waits out the limit that a fetch was answered with, in pieces', async () => {
    const { queue, consumer, asked, answer } = await setUp(1);
    queue.fetch = () => [undefined, '', 60_000, 0];
    await answer('fetch');
    await answer('wait');
    assert.deepEqual([asked(), consumer.rests], [['pause'], [30_000]]);
    await answer('pause');
    assert.deepEqual(asked(), ['fetch']);
  });

  it('fetches nothing that a limit does not let through', async () => {
    const queue = new ModelQueue();
    queue.add('a');
    let open: () => void = () => undefined;
    const gate = {
      closedForMs: 0,
      enter: async () => {
        gate.closedForMs = 50;
        return { granted: false };
      },
      untilOpen: () => new Promise<void>((resolve) => (open = resolve)),
      close: () => open(),
    };
    const slots = new Slots(1);
    const consumer = new ModelConsumer(queue, slots, undefined, gate as never);
    await settle();
    assert.deepEqual([queue.pending, slots.used], [[], 0]);
    consumer.stop();
    await consumer.ended;
  });

  it('asks for no marker after a fetch that was found again, which may have left none', async () => {
    const { queue, consumer, asked, answer } = await setUp(2, 'a');
    consumer.salvage = async (_error, token) => queue.fetch(token) as never;
    await answer('fetch', 'refused');
    assert.deepEqual([asked(), consumer.errors, [...queue.active.keys()]], [['body', 'fetch'], [], ['a']]);
  });

  it('gives the turn of a limit back where a fetch had no use for it', async () => {
    const queue = new ModelQueue();
    let unused = 0;
    const turns = { granted: true as const, turn: { unused: async () => void unused++ } };
    const gate = {
      closedForMs: 0,
      enter: async () => turns,
      untilOpen: async () => undefined,
      close: () => undefined,
    };
    const consumer = new ModelConsumer(queue, new Slots(1), undefined, gate as never);
    const answer = async (how: Parameters<Pending['answer']>[0]) => {
      await settle();
      queue.pending[0]?.answer(how);
      await settle();
    };
    await answer('yes'); // nothing is there
    assert.equal(unused, 1);
    queue.add('a');
    await answer('yes'); // the marker
    await answer('refused'); // the fetch
    assert.equal(unused, 2);
    await answer('yes'); // the pause
    await answer('yes'); // the fetch
    assert.deepEqual([queue.active.size, unused], [1, 2], 'the job has it');
    consumer.stop();
  });

  it('ends while it pauses, waits for a marker, or for a slot', async () => {
    for (const until of ['pause', 'wait', 'slot'] as const) {
      const { slots, consumer, answer } = await setUp(1);
      await answer('fetch', until === 'pause' ? 'refused' : 'yes');
      if (until === 'slot') {
        slots.take();
        await answer('wait');
      }
      consumer.stop();
      await consumer.ended;
    }
  });

  it('gives back what a task left behind whose end nobody knows', async () => {
    const { queue, slots, consumer, answer, asked } = await setUp(1, 'a');
    await answer('fetch');
    await answer('body', 'refused'); // it rejects, which it never should
    assert.deepEqual([slots.used, consumer.locks, queue.active.size], [0, 0, 1]);
    assert.equal(consumer.errors.length, 1);
    assert.deepEqual(asked(), ['wait']);
  });

  it('says so, counts and mends it when what it holds is not what it uses', async () => {
    const { slots, consumer, answer } = await setUp(3);
    consumer.account.take();
    consumer.account.take();
    await answer('fetch');
    assert.equal(slots.used, 0);
    assert.match(consumer.errors.at(-1)?.message ?? '', /held 2 slots that nothing ran on/);
  });
});
