import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BrokerError, BrokerUnavailableError, CeleriacError } from 'celeriac';
import type { Engine } from '#src/broker/broker.js';
import { type Envelope, jobJson, naming, Producer } from '#src/queue/producer.js';
import { rejection } from '../../support/app.js';

const envelope = (id: string, more: Partial<Envelope> = {}): Envelope => ({
  taskId: id,
  jobId: id,
  queue: 'q',
  name: 'task',
  data: '{}',
  sentAt: 5,
  delayMs: 0,
  priority: 0,
  ...more,
});

/** A producer, and each write that reached its broker. */
function broker(budgetMs = 5_000) {
  const writes: string[] = [];
  const troubles: Error[] = [];
  const held = { now: 0 };
  const write = (text: string) => {
    writes.push(text);
    const trouble = troubles.shift();
    if (trouble !== undefined) throw trouble;
  };
  const names = (jobs: readonly { jobId: string }[]) => jobs.map(({ jobId }) => jobId).join(' ');
  const engine = {
    address: 'redis://x',
    oneProcess: false,
    answers: () => 0,
    hold: () => {
      held.now++;
      return () => held.now--;
    },
    isUnavailable: (error: Error) => error.message === 'away',
    addTogether: async (jobs: readonly { jobId: string }[]) => write(`together ${names(jobs)}`),
    backend: async (queue: string) => ({
      addJob: async (_: object, id: string) => write(`${queue}: ${id}`),
      addJobs: async (jobs: readonly { jobId: string }[]) => write(`${queue}: ${names(jobs)}`),
    }),
  } as unknown as Engine;
  return { producer: new Producer(engine, budgetMs), writes, troubles, held };
}

const away = () => new Error('away');

describe('A call with a time of its own', () => {
  it('gives up by it, shorter or longer than the others, which it does not join', async () => {
    const { producer, writes, troubles } = broker(0);
    troubles.push(away(), away());
    const [plain, patient] = await Promise.allSettled([
      producer.send(envelope('a')),
      producer.send(envelope('b', { retryMs: 60_000 })),
    ]);
    assert.deepEqual([plain.status, patient.status], ['rejected', 'fulfilled']);
    assert.deepEqual(writes, ['q: a', 'q: b', 'q: b']);
    const hasty = broker(60_000);
    hasty.troubles.push(away());
    const error = await rejection(hasty.producer.send(envelope('c', { retryMs: 0 })));
    assert.ok(error instanceof BrokerUnavailableError);
    assert.equal(error.taskId, 'c');
  });

  it('waits so for what comes before its send, too', async (t) => {
    const { producer } = broker();
    const alive = setInterval(() => undefined, 1000); // as the caller's connection does
    t.after(() => clearInterval(alive));
    const never = () => new Promise<void>(() => undefined);
    assert.ok((await rejection(producer.patiently(1, never))) instanceof BrokerUnavailableError);
    let tries = 0;
    await producer.patiently(60_000, async () => {
      if (++tries < 2) throw new BrokerUnavailableError('away', { address: 'x' });
    });
    assert.equal(tries, 2);
  });
});

describe('Calls', () => {
  it('of one turn go together, a batch for each queue, and a lone one goes by itself', async () => {
    const { producer, writes } = broker();
    const sent = ['a', 'b', 'c'].map((id) =>
      producer.send(envelope(id, { queue: id === 'b' ? 'other' : 'q' })),
    );
    await Promise.all(sent);
    await producer.send(envelope('d'));
    assert.deepEqual(writes, ['q: a c', 'other: b', 'q: d']);
  });

  it('that wait for a replica do not make the others of their queue wait', async () => {
    const { producer, writes } = broker();
    await Promise.all([
      producer.send(envelope('a')),
      producer.send(envelope('b', { replicated: true })),
      producer.send(envelope('c')),
    ]);
    assert.deepEqual(writes, ['q: a c', 'q: b']);
  });

  it('are cut into pieces that block nobody for long', async () => {
    const { producer, writes } = broker();
    const many = Array.from({ length: 1_001 }, (_, n) => envelope(`${n}`));
    await Promise.all(many.map((one) => producer.send(one)));
    await producer.sendAll(many);
    assert.deepEqual(
      writes.map((text) => text.split(' ').length - 1),
      [500, 500, 1, 500, 500, 1],
    );
  });

  it('are tried again while the broker is away, and hold the process meanwhile', async () => {
    const { producer, writes, troubles, held } = broker();
    troubles.push(away(), away());
    const sent = producer.send(envelope('a'));
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(held.now, 1);
    await sent;
    assert.deepEqual([writes, held.now], [['q: a', 'q: a', 'q: a'], 0]);
  });

  it('are given up in the end, each told its own id: it may have been accepted', async () => {
    const { producer, troubles, held } = broker(0);
    troubles.push(away(), away());
    const errors = await Promise.all(['a', 'b'].map((id) => rejection(producer.send(envelope(id)))));
    for (const [n, error] of errors.entries()) {
      assert.ok(error instanceof BrokerUnavailableError);
      assert.equal(error.taskId, 'ab'[n]);
    }
    assert.equal(held.now, 0);
  });

  it('are refused at once by an error that is no outage, which names the task and tells no argument', async () => {
    const { producer, writes, troubles } = broker();
    troubles.push(Object.assign(new Error('wrong'), { command: { args: ['secret'] } }));
    const error = await rejection(producer.send(envelope('a')));
    assert.ok(error instanceof BrokerError);
    assert.match(error.message, /refused task "a": wrong/);
    assert.equal(writes.length, 1);
    assert.doesNotMatch(JSON.stringify({ ...(error.cause as object) }), /secret/);
    const own = new CeleriacError('ours');
    troubles.push(own);
    assert.equal(await rejection(producer.send(envelope('b'))), own);
  });
});

describe('What goes in one step', () => {
  it('is done again from its beginning when the broker was away', async () => {
    const { producer, writes, troubles } = broker();
    troubles.push(away());
    let begun = 0;
    await producer.together([envelope('a'), envelope('b', { queue: 'other' })], 'flow', async () => {
      begun++;
    });
    assert.deepEqual([begun, writes], [2, ['together a b', 'together a b']]);
  });
});

describe('A job', () => {
  it('says only what differs from a plain one', () => {
    assert.deepEqual(jobJson(envelope('a')).opts, {});
    const { opts, delay, priority } = jobJson(envelope('a', { delayMs: 7, priority: 3, trace: 't' }));
    assert.deepEqual(opts, { delay: 7, priority: 3, telemetry: { metadata: 't' } });
    assert.deepEqual([delay, priority], [7, 3]);
  });
});

describe('An error of a step before the call was sent', () => {
  it('gets the id of the call, unless it has one', async () => {
    const nameless = new BrokerUnavailableError('gone', { address: 'x' });
    const named = new BrokerUnavailableError('gone', { address: 'x', taskId: 'first' });
    const of = async (error: Error) =>
      ((await rejection(naming('mine', Promise.reject(error)))) as BrokerUnavailableError).taskId;
    assert.deepEqual([await of(nameless), await of(named)], ['mine', 'first']);
  });
});
