/** Jobs that come out of an outbox: added once with their mark, whatever became of them, on every engine. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import type { Engine } from '#src/broker/broker.js';
import { openEngine } from '#src/broker/open.js';
import type { RelayedCall } from '#src/broker/relayed-jobs.js';
import { jobJson } from '#src/queue/producer.js';
import { engines, type TestBroker } from '../support/engines.js';

for (const candidate of engines.filter(({ name }) => name !== 'sentinel')) {
  describe(`relayed jobs on ${candidate.name}`, { skip: candidate.skip, timeout: 120_000 }, () => {
    let broker: TestBroker;
    const opened: Engine[] = [];
    const open = (prefix: string) => {
      const engine = openEngine(broker.url, {
        prefix,
        connectTimeoutMs: 10_000,
        migrate: true,
        onTrouble: () => undefined,
        onRecovered: () => undefined,
      });
      engine.hold();
      opened.push(engine);
      return engine;
    };

    before(async () => {
      broker = await candidate.open();
    });
    after(async () => {
      await Promise.all(opened.map((engine) => engine.close()));
      await broker.close();
    });

    it('are added to any queues, standard, delayed and prioritized ones', async () => {
      const engine = open(unique());
      await engine.relayed.add([
        call('m1', ['one', { delayMs: 60_000 }], ['two', {}, 'other']),
        call('m2', ['three', { priority: 3 }]),
      ]);
      const refs = [ref('one'), { queue: 'other', id: 'two' }, ref('three')];
      const jobs = await engine.readJobs(refs);
      assert.deepEqual(
        jobs.map((job) => [job?.id, job?.delayMs, job?.priority]),
        [
          ['one', 60_000, 0],
          ['two', 0, 0],
          ['three', 0, 3],
        ],
      );
      assert.deepEqual(await engine.relayed.seen(['m1', 'm0', 'm2']), [true, false, true]);
      const known = (await engine.queues.known()).map(({ name }) => name);
      assert(known.includes('q') && known.includes('other'), String(known));
    });

    it('are not added again, also when they have run and are gone', async () => {
      const engine = open(unique());
      await engine.relayed.add([call('m1', ['gone'], ['kept'])]);
      const backend = await engine.backend('q');
      await backend.remove('gone', false);
      await engine.relayed.add([call('m1', ['gone'], ['kept']), call('m2', ['new'])]);
      const jobs = await engine.readJobs([ref('gone'), ref('kept'), ref('new')]);
      assert.deepEqual(
        jobs.map((job) => job?.id),
        [undefined, 'kept', 'new'],
      );
      const [waiting] = await backend.getCounts(['waiting']);
      assert.equal(waiting, 2);
      await engine.relayed.release(['m1']);
      await engine.relayed.add([call('m1', ['gone'])]);
      assert.deepEqual(await engine.readJobs([ref('gone')]), [undefined]);
    });

    it('are added by one of two relays at the same time', async () => {
      const prefix = unique();
      const [one, two] = [open(prefix), open(prefix)];
      const calls = Array.from({ length: 50 }, (_, i) => call(`m${i}`, [`job-${i}`]));
      await Promise.all(
        Array.from({ length: 10 }, (_, i) =>
          (i % 2 === 0 ? one : two).relayed.add(i < 5 ? calls : [...calls].reverse()),
        ),
      );
      const backend = await one.backend('q');
      assert.deepEqual(await backend.getCounts(['waiting']), [50]);
    });

    it('take a job that is there already for the same', async () => {
      const engine = open(unique());
      const backend = await engine.backend('q');
      await backend.addJob(jobOf('there', {}), 'there', {});
      await engine.relayed.add([call('m1', ['there'], ['more'])]);
      assert.deepEqual(await backend.getCounts(['waiting']), [2]);
    });
  });
}

type Given = [id: string, fields?: { delayMs?: number; priority?: number }, queue?: string];

function call(mark: string, ...jobs: Given[]): RelayedCall {
  return {
    mark,
    jobs: jobs.map(([id, fields = {}, queue = 'q']) => ({ queue, jobId: id, job: jobOf(id, fields) })),
  };
}

function jobOf(id: string, fields: { delayMs?: number; priority?: number }) {
  return jobJson({
    jobId: id,
    name: 'task',
    data: JSON.stringify({ v: 1, args: [] }),
    sentAt: Date.now(),
    delayMs: 0,
    priority: 0,
    ...fields,
  });
}

const ref = (id: string) => ({ queue: 'q', id });
const unique = () => `t${randomUUID().replaceAll('-', '')}`;
