/**
 * What every engine must do for the rest of celeriac, asked of each of them in the same words.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { DelayedError, type JobJson, type Processor, Worker } from 'bullmq';
import { BROADCAST_BYTES, type Engine, type EngineConfig } from '#src/broker/broker.js';
import { endedMark, type JobSet } from '#src/broker/job-pages.js';
import { chunkTopic } from '#src/broker/notice-channels.js';
import { openEngine } from '#src/broker/open.js';
import { MOST_DOUBTED } from '#src/broker/places.js';
import { NOTHING_PASSED } from '#src/broker/queue-admin.js';
import type { StoredChunk } from '#src/broker/streams.js';
import { isCeleriacError } from '#src/errors.js';
import { packStack, unpackStack } from '#src/protocol/message.js';
import { packPark } from '#src/protocol/waiting.js';
import { engines, type TestBroker } from '../support/engines.js';
import { placeRowsOf } from '../support/place-rows.js';

for (const candidate of engines) {
  describe(`the ${candidate.name} engine`, { skip: candidate.skip, timeout: 600_000 }, () => {
    let broker: TestBroker;
    const opened: Engine[] = [];
    const open = (prefix: string) => {
      const engine = openEngine(broker.url, configOf(prefix));
      opened.push(engine);
      // A test that only waits must not be taken for a finished script.
      engine.hold();
      return engine;
    };

    before(async () => {
      broker = await candidate.open();
    });
    after(async () => {
      await Promise.all(opened.map((engine) => engine.close()));
      await broker.close();
    });

    describe('records', () => {
      it('creates a key once, also when a hundred try at the same time', async () => {
        const [one, two] = pair(open);
        await Promise.all([one.ready(), two.ready()]);
        const key = randomUUID();
        const tries = Array.from({ length: 100 }, (_, i) => (i % 2 ? one : two).records.create(key, `${i}`));
        assert.equal((await Promise.all(tries)).filter(Boolean).length, 1);
      });

      it('reads many keys in their order, absent ones as undefined', async () => {
        const { records } = open(unique());
        await records.create('a', 'A');
        await records.create('b', '');
        const [b, none, a, again] = await records.read(['b', 'none', 'a', 'a']);
        assert.deepEqual([b?.value, none, a?.value, again?.value], ['', undefined, 'A', 'A']);
        assert.deepEqual(await records.read([]), []);
      });

      it('keeps apps of different prefixes apart', async () => {
        const [one, two] = [open(unique()), open(unique())];
        assert.equal(await one.records.create('same', '1'), true);
        assert.equal(await two.records.create('same', '2'), true);
        assert.equal((await one.records.read(['same']))[0]?.value, '1');
      });

      it('replaces only the version it was told', async () => {
        const { records } = open(unique());
        await records.create('k', 'v1');
        const [first] = await records.read(['k']);
        assert.ok(first);
        assert.equal(await records.replace('k', first.version, 'v2'), true);
        assert.equal(await records.replace('k', first.version, 'v3'), false);
        const [second] = await records.read(['k']);
        assert.equal(second?.value, 'v2');
        assert.ok(second.version > first.version);
        assert.equal(await records.replace('absent', 1, 'x'), false);
      });

      it('loses no increment when forty writers compare and set at once', async () => {
        const [one, two] = pair(open);
        await one.records.create('n', '0');
        const add = async (engine: Engine): Promise<void> => {
          for (;;) {
            const [record] = await engine.records.read(['n']);
            assert.ok(record);
            const next = `${Number(record.value) + 1}`;
            if (await engine.records.replace('n', record.version, next)) return;
          }
        };
        await Promise.all(Array.from({ length: 40 }, (_, i) => add(i % 2 ? one : two)));
        assert.equal((await one.records.read(['n']))[0]?.value, '40');
      });

      it('removes what is there, and a given version only', async () => {
        const { records } = open(unique());
        await records.create('k', 'v');
        const [record] = await records.read(['k']);
        assert.ok(record);
        assert.equal(await records.remove('k', record.version + 1), false);
        assert.equal(await records.remove('k', record.version), true);
        assert.equal(await records.remove('k'), false);
      });

      it('lets a record expire, and its key be taken again', async () => {
        const { records } = open(unique());
        assert.equal(await records.create('k', 'old', 150), true);
        assert.equal(await records.create('k', 'new', 150), false);
        await until(async () => (await records.read(['k']))[0] === undefined);
        assert.equal(await records.replace('k', 1, 'late'), false);
        assert.equal(await records.create('k', 'new'), true);
        assert.equal((await records.read(['k']))[0]?.value, 'new');
      });

      it('takes the expiry away when a replacement names none', async () => {
        const { records } = open(unique());
        await records.create('stays', 'v', 300);
        await records.create('goes', 'v', 300);
        assert.equal(await records.replace('stays', 1, 'w'), true);
        await until(async () => (await records.read(['goes']))[0] === undefined);
        assert.equal((await records.read(['stays']))[0]?.value, 'w');
      });

      it('takes any string as a key', async () => {
        const { records } = open(unique());
        const keys = [
          '',
          'with space',
          'quote\'"',
          'nul\0',
          'lone\ud800',
          'ünï',
          '"a"',
          '#b',
          'x'.repeat(5000),
          `${'x'.repeat(5000)}y`,
        ];
        for (const key of keys) assert.equal(await records.create(key, `<${keys.indexOf(key)}>`), true);
        const read = await records.read(keys);
        assert.deepEqual(
          read.map((record) => record?.value),
          keys.map((_, i) => `<${i}>`),
        );
      });
    });

    describe('signals', () => {
      it('never loses a notice that is sent after subscribe resolved', async () => {
        const [waiter, teller] = pair(open);
        await Promise.all([waiter.ready(), teller.ready()]);
        for (let round = 0; round < 20; round++) {
          const topics = Array.from({ length: 200 }, (_, i) => `${round}-${i}-${randomUUID()}`);
          const waits = topics.map(async (topic) => {
            let heard = () => {};
            const told = new Promise<void>((resolve) => {
              heard = resolve;
            });
            await waiter.signals.subscribe(topic, heard);
            teller.signals.notify(topic);
            await within(5_000, told, `the notice of ${topic}`);
            waiter.signals.unsubscribe(topic, heard);
          });
          await Promise.all(waits);
        }
      });

      it('calls every listener of a topic, and none of another', async () => {
        const engine = open(unique());
        await engine.ready();
        const heard: string[] = [];
        await engine.signals.subscribe('one', () => heard.push('one-a'));
        await engine.signals.subscribe('one', () => heard.push('one-b'));
        await engine.signals.subscribe('two', () => heard.push('two'));
        engine.signals.notify('one');
        await until(async () => heard.length >= 2);
        assert.deepEqual(new Set(heard), new Set(['one-a', 'one-b']));
      });

      it('does not call a listener that left, nor mind leaving twice', async () => {
        const engine = open(unique());
        await engine.ready();
        let calls = 0;
        const left = () => calls++;
        await engine.signals.subscribe('t', left);
        engine.signals.unsubscribe('t', left);
        engine.signals.unsubscribe('t', left);
        const stayed = new Promise<void>(
          (resolve) =>
            void engine.signals.subscribe('t', () => resolve()).then(() => engine.signals.notify('t')),
        );
        await within(5_000, stayed, 'the notice');
        assert.equal(calls, 0);
      });

      it('keeps prefixes apart', async () => {
        const [one, two] = [open(unique()), open(unique())];
        await Promise.all([one.ready(), two.ready()]);
        let wrong = 0;
        await one.signals.subscribe('t', () => wrong++);
        const right = new Promise<void>(
          (resolve) => void two.signals.subscribe('t', () => resolve()).then(() => two.signals.notify('t')),
        );
        await within(5_000, right, 'the notice');
        assert.equal(wrong, 0);
      });
    });

    describe('broadcast', () => {
      it('reaches every listener of the prefix in order, the sender included, and no other prefix', async () => {
        const [one, two] = pair(open);
        const stranger = open(unique());
        await Promise.all([one.ready(), two.ready(), stranger.ready()]);
        const texts = ['first', '{"a":"\\u0000 ü\'"}', 'x'.repeat(BROADCAST_BYTES)];
        const heard = new Map<Engine, string[]>([one, two, stranger].map((engine) => [engine, []]));
        for (const [engine, list] of heard) await engine.broadcast.subscribe((text) => void list.push(text));
        await one.broadcast.publish(texts);
        await until(async () => [one, two].every((engine) => heard.get(engine)?.length === texts.length));
        assert.deepEqual([heard.get(one), heard.get(two), heard.get(stranger)], [texts, texts, []]);
      });

      it('does not call a listener that left, nor mind leaving twice', async () => {
        const [one, two] = pair(open);
        await Promise.all([one.ready(), two.ready()]);
        const heard: string[] = [];
        const left = (text: string) => void heard.push(`left: ${text}`);
        await one.broadcast.subscribe(left);
        one.broadcast.unsubscribe(left);
        one.broadcast.unsubscribe(left);
        await one.broadcast.subscribe((text) => void heard.push(text));
        await two.broadcast.publish(['again']);
        await until(async () => heard.length > 0);
        assert.deepEqual(heard, ['again']);
      });
    });

    describe('jobs', () => {
      it('adds a job under a fixed id, once', async () => {
        const engine = open(unique());
        const backend = await engine.backend('q');
        assert.equal(await backend.addJob(job('t-1', { args: [1, 'é'] }), 't-1', {}), 't-1');
        await backend.addJob(job('t-1', { args: ['other'] }), 't-1', {});
        const [found, missing] = await engine.readJobs([
          { queue: 'q', id: 't-1' },
          { queue: 'other', id: 't-1' },
        ]);
        assert.equal(missing, undefined);
        assert.deepEqual(JSON.parse(found?.data ?? ''), { args: [1, 'é'] });
        assert.deepEqual(
          { ...found, data: '', sentAt: 0, progress: undefined, delayMs: 0 },
          {
            kind: 'job',
            id: 't-1',
            queue: 'q',
            name: 'test.task',
            data: '',
            progress: undefined,
            returnvalue: undefined,
            failedReason: undefined,
            stack: undefined,
            priority: 0,
            sentAt: 0,
            delayMs: 0,
            startedAt: undefined,
            doneAt: undefined,
            retries: 0,
            deliveries: 0,
            running: false,
            worker: undefined,
          },
        );
      });

      it('reads delay and priority', async () => {
        const engine = open(unique());
        const backend = await engine.backend('q');
        const timing = { delay: 60_000, priority: 3 };
        await backend.addJob({ ...job('later', {}), ...timing, opts: timing }, 'later', {});
        const [found] = await engine.readJobs([{ queue: 'q', id: 'later' }]);
        assert.equal(found?.delayMs, 60_000);
        assert.equal(found.priority, 3);
        assert.ok(Math.abs(found.sentAt - Date.now()) < 5_000);
      });

      it('reads thousands of jobs of several queues in their order', async () => {
        const engine = open(unique());
        const refs = Array.from({ length: 2_000 }, (_, i) => ({ queue: `q${i % 2}`, id: `j-${i}` }));
        for (const queue of ['q0', 'q1']) {
          const mine = refs.filter((ref) => ref.queue === queue);
          const backend = await engine.backend(queue);
          await backend.addJobs(
            mine.map(({ id }) => ({ job: job(id, { id }), jobId: id, parentKeyOpts: {} })),
          );
        }
        const jobs = await engine.readJobs([...refs, { queue: 'q0', id: 'none' }]);
        assert.deepEqual(
          jobs.map((found) => found?.id),
          [...refs.map((ref) => ref.id), undefined],
        );
        const ended = await engine.readEnded([...refs.slice(0, 2), { queue: 'q0', id: 'none' }]);
        assert.deepEqual(ended, [false, false, true]);
      });

      it('reads heads of jobs: all of a short message, and everything but the arguments of a long one', async () => {
        const engine = open(unique());
        const backend = await engine.backend('q');
        const messages: Record<string, object> = {
          short: { v: 1, args: ['a', 1], id: 's' },
          long: { v: 1, args: ['x'.repeat(300_000), { revoked: {} }], id: 'l', eta: 5 },
          theirs: { to: 'somebody' },
        };
        for (const [id, message] of Object.entries(messages)) await backend.addJob(job(id, message), id, {});
        const refs = ['long', 'none', 'theirs', 'short'].map((id) => ({ queue: 'q', id }));
        const [long, none, theirs, short] = await engine.readHeads([...refs, ...Array(200).fill(refs[1])]);
        assert.equal(none, undefined);
        assert.deepEqual(JSON.parse(short?.data ?? ''), messages['short']);
        assert.deepEqual(JSON.parse(theirs?.data ?? ''), messages['theirs']);
        const { args, ...fields } = JSON.parse(long?.data ?? '') as { args: unknown };
        assert.deepEqual(fields, { v: 1, id: 'l', eta: 5 });
        assert.match(JSON.stringify(args), /^\["\[300,\d{3} bytes\]"\]$/);
        assert.deepEqual(
          [long?.name, long?.running, long?.doneAt, long?.retries],
          ['test.task', false, undefined, 0],
        );
      });

      it('reads rows of jobs for a list, with long texts cut and what decides the state kept', async () => {
        const engine = open(unique());
        const backend = await engine.backend('q');
        const stack = packStack(`Error\n${'    at x\n'.repeat(5_000)}`, {
          name: 'RangeError',
          message: 'no',
        });
        const worker = startWorker(engine, 'q', async (own) => {
          if (own.id === 'bad') {
            await own.updateProgress({ state: 'DEEP', meta: 'm'.repeat(20_000), attempt: 3 });
            throw Object.assign(new Error('out of it'), { stack });
          }
          return own.id === 'huge' ? { text: 'x'.repeat(300_000) } : 7;
        });
        try {
          await backend.addJob(job('huge', { v: 1, args: ['x'.repeat(300_000)], id: 'h' }), 'huge', {});
          await backend.addJob(job('small', { v: 1, args: [1] }), 'small', {});
          await backend.addJob(job('bad', { v: 1, args: [] }), 'bad', {});
          const refs = ['huge', 'none', 'bad', 'small'].map((id) => ({ queue: 'q', id }));
          const read = () => engine.queues.rows([...refs, ...Array(150).fill(refs[1])]);
          await until(async () => (await read()).filter((row) => row?.doneAt !== undefined).length === 3);
          const [huge, none, bad, small] = await read();
          assert.equal(none, undefined);
          assert((huge?.data.length ?? 0) < 1_000 && JSON.parse(huge?.data ?? '').id === 'h');
          assert.deepEqual([huge?.returnvalue, small?.returnvalue], ['null', '7']);
          assert.deepEqual(JSON.parse(small?.data ?? ''), { v: 1, args: [1] });
          assert.deepEqual(unpackStack(bad?.stack ?? '').wireError, { name: 'RangeError', message: 'no' });
          assert((bad?.stack?.length ?? 0) < 20_000);
          assert.deepEqual(
            { ...(bad?.progress as object), meta: null },
            { state: 'DEEP', meta: null, attempt: 3 },
          );
          assert.equal(JSON.stringify(bad?.progress).length < 200, true);
          assert.deepEqual(
            [bad?.failedReason, bad?.retries, bad?.deliveries, bad?.returnvalue],
            ['out of it', 1, 1, undefined],
          );
        } finally {
          await worker.close();
        }
      });

      it('pages through the jobs of a queue, in each set and either order, and meets each once', async () => {
        const engine = open(unique());
        const backend = await engine.backend('q');
        const worker = startWorker(engine, 'q', async ({ id }) => {
          if (id?.startsWith('f')) throw new Error('no');
        });
        const ended = Array.from({ length: 23 }, (_, i) => (i % 3 === 0 ? `f${i}` : `c${i}`));
        const add = (ids: readonly string[], more: object = {}) =>
          backend.addJobs(
            ids.map((id) => ({
              job: { ...job(id, {}), ...more, opts: { ...job(id, {}).opts, ...more } },
              jobId: id,
              parentKeyOpts: {},
            })),
          );
        try {
          await add(ended);
          const sizes = async () => (await engine.queues.sizes(['q']))[0];
          await until(async () => {
            const size = await sizes();
            return (size?.finished ?? 0) + (size?.failed ?? 0) === 23;
          });
        } finally {
          await worker.close();
        }
        await add(['w1', 'w2', 'w3', 'w4', 'w5']);
        await add(['p1', 'p2', 'p3'], { priority: 4 });
        for (const [i, id] of ['d1', 'd2', 'd3', 'd4'].entries())
          await add([id], { delay: 3_600_000 + i * 1_000 });
        const all = async (set: JobSet, newest: boolean) => {
          const found: string[] = [];
          for (let after: string | undefined; ; ) {
            const [page = [], none = []] = await engine.queues.pages([
              { queue: 'q', set, newest, after, limit: 2 },
              { queue: 'nobody', set, newest, after: undefined, limit: 2 },
            ]);
            assert.deepEqual(none, []);
            assert(page.length <= 2);
            if (page.length === 0) return found;
            found.push(...page.map(({ id }) => id));
            after = page.at(-1)?.mark;
          }
        };
        assert.deepEqual(await all('waiting', false), ['w1', 'w2', 'w3', 'w4', 'w5']);
        assert.deepEqual(await all('waiting', true), ['w5', 'w4', 'w3', 'w2', 'w1']);
        assert.deepEqual(await all('prioritized', false), ['p1', 'p2', 'p3']);
        assert.deepEqual(await all('delayed', false), ['d1', 'd2', 'd3', 'd4']);
        assert.deepEqual(await all('delayed', true), ['d4', 'd3', 'd2', 'd1']);
        assert.deepEqual(await all('active', true), []);
        for (const [set, first] of [
          ['completed', 'c'],
          ['failed', 'f'],
        ] as const) {
          const newest = await all(set, true);
          assert.deepEqual(newest.toSorted(), ended.filter((id) => id.startsWith(first)).toSorted());
          assert.deepEqual(await all(set, false), newest.toReversed());
          const jobs = await engine.readJobs(newest.map((id) => ({ queue: 'q', id })));
          const ends = jobs.map((found) => found?.doneAt ?? 0);
          assert.deepEqual(
            ends,
            ends.toSorted((a, b) => b - a),
          );
          const [middle = 0] = ends.slice(3);
          const from = async (mark: string) =>
            (await engine.queues.pages([{ queue: 'q', set, newest: true, after: mark, limit: 50 }]))[0]
              ?.length;
          assert.equal(await from(endedMark(middle + 1)), ends.filter((at) => at <= middle).length);
          assert.equal(await from(endedMark(middle)), ends.filter((at) => at < middle).length);
        }
      });

      it('shows a job as its worker runs, completes and fails it', async () => {
        const engine = open(unique());
        const backend = await engine.backend('q');
        let finish = () => {};
        const finished = new Promise<void>((resolve) => {
          finish = resolve;
        });
        const worker = startWorker(engine, 'q', async ({ id }) => {
          if (id === 'bad') throw new Error('no luck');
          await finished;
          return { ok: true };
        });
        try {
          await backend.addJob(job('good', {}), 'good', {});
          const read = async (id: string) => (await engine.readJobs([{ queue: 'q', id }]))[0];
          await until(async () => (await read('good'))?.running === true);
          const running = await read('good');
          assert.equal(running?.deliveries, 1);
          await engine.uncount({ queue: 'q', id: 'good' });
          assert.equal((await read('good'))?.deliveries, 0);
          await engine.uncount({ queue: 'q', id: 'good' });
          assert.equal((await read('good'))?.deliveries, 0, 'never less than none');
          await engine.uncount({ queue: 'q', id: 'none' });
          assert.equal(await read('none'), undefined);
          assert.equal(running.worker, 'node-1');
          assert.ok(running.startedAt);
          finish();
          await until(async () => (await engine.readEnded([{ queue: 'q', id: 'good' }]))[0] === true);
          const good = await read('good');
          assert.deepEqual(JSON.parse(good?.returnvalue ?? ''), { ok: true });
          assert.equal(good?.running, false);
          assert.ok(good.doneAt);
          await backend.addJob(job('bad', {}), 'bad', {});
          await until(async () => (await read('bad'))?.failedReason === 'no luck');
          const bad = await read('bad');
          assert.equal(bad?.retries, 1);
          assert.match(bad.stack ?? '', /no luck/);
          assert.equal(bad.returnvalue, undefined);
        } finally {
          await worker.close();
        }
      });

      it('wakes an idle worker for each new job', async () => {
        const engine = open(unique());
        const backend = await engine.backend('q');
        const done = new Map<string, () => void>();
        const worker = startWorker(engine, 'q', async ({ id }) => done.get(id ?? '')?.());
        try {
          for (let i = 0; i < 20; i++) {
            const ran = new Promise<void>((resolve) => done.set(`j-${i}`, resolve));
            await backend.addJob(job(`j-${i}`, {}), `j-${i}`, {});
            await within(4_000, ran, `job ${i}`);
          }
        } finally {
          await worker.close();
        }
      });
    });

    describe("workflows' records", () => {
      const fields = (count: number) =>
        Array.from({ length: count }, (_, n) => ({ field: `f${n}`, value: 'v' }));
      const plansOf = async ({ flows }: Engine, ids: readonly string[]) =>
        (await flows.read(ids.map((flow) => ({ flow, fields: ['plan'] })))).map(([plan]) => plan);

      it('are made again once their time is over, with nothing of the one before', async () => {
        const { flows } = open(unique());
        assert.equal(await flows.create('a', 'old', 100_000), true);
        assert.equal(await flows.create('a', 'other', 100_000), false);
        await flows.write('a', fields(2));
        await flows.expire('a', 1);
        await until(async () => (await flows.read([{ flow: 'a', fields: ['plan'] }]))[0]?.[0] === undefined);
        await flows.expire('a', 100_000);
        assert.equal(await flows.write('a', fields(1)), undefined);
        assert.equal(await flows.create('a', 'new', 100_000), true);
        assert.deepEqual(await flows.read([{ flow: 'a', fields: ['plan', 'f0'] }]), [['new', undefined]]);
      });

      it('are removed in steps of so many rows when they have expired, and only then', async () => {
        const engine = open(unique());
        const [old, young] = [
          ['o1', 'o2', 'o3'],
          ['y1', 'y2'],
        ];
        for (const flow of [...old, ...young]) {
          await engine.flows.create(flow, 'plan', 100_000);
          await engine.flows.write(flow, fields(120));
        }
        for (let n = 0; n < 60; n++) await engine.records.create(`r${n}`, 'v', 1);
        await engine.records.create('stays', 'v');
        for (const flow of old) await engine.flows.expire(flow, 1);
        await until(async () => (await plansOf(engine, old)).every((plan) => plan === undefined));
        let steps = 1;
        while (await engine.reclaim(50)) steps++;
        // On Redis there is never anything to do.
        if (['postgres', 'embedded'].includes(engine.kind))
          assert.ok(steps >= (3 * 120) / 50 && steps < 20, `${steps} steps`);
        else assert.equal(steps, 1);
        assert.equal(await engine.reclaim(50), false);
        assert.deepEqual(await plansOf(engine, young), ['plan', 'plan']);
        assert.equal((await engine.flows.read([{ flow: 'y2', fields: ['f119'] }]))[0]?.[0], 'v');
        assert.equal((await engine.records.read(['stays']))[0]?.value, 'v');
      });
    });

    describe('places of a limit', () => {
      const ref = (id: number | string) => ({ queue: 'q', id: `${id}` });
      /** Asks at the moment `now`; whoever holds a place for 100 is doubted. */
      const asking = (limit: number, now: number, mostWaiters = 1000) => ({
        limit,
        now,
        mostWaiters,
        doubtedBefore: now - 100,
      });
      const fill = async ({ places }: Engine, name: string, count: number, now: number) => {
        const ask = (_: unknown, n: number) => places.enter(name, ref(`h${n}`), asking(count, now));
        const replies = await Promise.all(Array.from({ length: count }, ask));
        assert.ok(replies.every(({ held }) => held));
      };

      it('are never more than the limit, when two hundred ask at once and leave again', async () => {
        const [one, two] = pair(open);
        await Promise.all([one.ready(), two.ready()]);
        const had: string[] = [];
        let inside = 0;
        let most = 0;
        const come = (id: string) => {
          had.push(id);
          most = Math.max(most, ++inside);
        };
        const visit = async (n: number): Promise<void> => {
          const { places } = n % 2 ? one : two;
          const entered = await places.enter('x', ref(n), asking(7, 1000, 1000));
          if (entered.held) come(`${n}`);
          else assert.deepEqual(entered, { held: false, listed: true, doubted: [] });
        };
        await Promise.all(Array.from({ length: 200 }, (_, n) => visit(n)));
        assert.equal(inside, 7);
        // Whoever is in leaves, all at once, and lets in who is called.
        for (let begun = 0; begun < had.length; ) {
          const leaving = had.slice(begun);
          begun = had.length;
          inside -= leaving.length;
          const leave = (id: string, n: number) => (n % 2 ? one : two).places.leave('x', 7, ref(id), 1001);
          for (const called of await Promise.all(leaving.map(leave))) for (const { id } of called) come(id);
        }
        assert.equal(new Set(had).size, 200, 'each once');
        assert.equal(had.length, 200);
        assert.equal(most, 7);
        assert.equal(await placeRowsOf(one, 'x'), 0, 'nothing is left');
      });

      it('are given first come, first served, also to those who come when the line was empty', async () => {
        const engine = open(unique());
        const { places } = engine;
        await fill(engine, 'x', 2, 1000);
        for (const id of ['c', 'a', 'b']) await places.enter('x', ref(id), asking(2, 1000));
        // Asking again changes nothing: it keeps its turn.
        assert.deepEqual(await places.enter('x', ref('c'), asking(2, 1000, 0)), {
          held: false,
          listed: true,
          doubted: [],
        });
        assert.deepEqual(await places.leave('x', 2, ref('h0'), 1001), [ref('c')]);
        assert.deepEqual(await places.leave('x', 3, ref('h1'), 1001), [ref('a'), ref('b')]);
        await places.enter('x', ref('z'), asking(3, 1002));
        await places.enter('x', ref('y'), asking(3, 1002));
        assert.deepEqual(await places.leave('x', 3, ref('a'), 1003), [ref('z')]);
        assert.deepEqual(await places.leave('x', 1, ref('b'), 1003), [], 'a lower limit gives none away');
        assert.deepEqual(await places.leave('x', 3, ref('c'), 1003), [ref('y')]);
      });

      it('are kept by who has one, and had by who has none, as often as they ask', async () => {
        const engine = open(unique());
        const { places } = engine;
        await fill(engine, 'x', 1, 1000);
        assert.deepEqual(await places.enter('x', ref('h0'), asking(1, 1000)), { held: true });
        const refused = await places.enter('x', ref('a'), asking(1, 1000, 0));
        assert.deepEqual(refused, { held: false, listed: false, doubted: [] });
        await places.enter('x', ref('a'), asking(1, 1000, 1));
        const second = await places.enter('x', ref('b'), asking(1, 1000, 1));
        assert.equal(second.held === false && second.listed, false, 'the line is full');
        assert.deepEqual(await places.enter('x', ref('a'), asking(2, 1000)), { held: true });
        assert.deepEqual(await places.leave('x', 2, ref('h0'), 1001), [], 'it is not in line any more');
        assert.deepEqual(await places.leave('x', 2, ref('a'), 1001), []);
        assert.equal(await placeRowsOf(engine, 'x'), 0);
      });

      it('are not given back by who has none, and a turn is given up by who waits', async () => {
        const engine = open(unique());
        const { places } = engine;
        assert.deepEqual(await places.leave('x', 1, ref('a'), 1000), []);
        await fill(engine, 'x', 1, 1000);
        await places.enter('x', ref('a'), asking(1, 1000));
        await places.enter('x', ref('b'), asking(1, 1000));
        assert.deepEqual(await places.leave('x', 1, ref('nobody'), 1001), []);
        assert.deepEqual(await places.leave('x', 1, ref('a'), 1001), []);
        assert.deepEqual(await places.leave('x', 1, ref('h0'), 1001), [ref('b')]);
        assert.deepEqual(await places.leave('x', 1, ref('b'), 1001), []);
        assert.equal(await placeRowsOf(engine, 'x'), 0);
      });

      it('are taken from the dead and given to the next, who are first looked at by one', async () => {
        const engine = open(unique());
        const { places } = engine;
        await fill(engine, 'x', 2, 1000);
        await places.enter('x', ref('h1'), asking(2, 1050));
        assert.deepEqual(await places.room('x', asking(3, 1100)), { free: true });
        const entered = await places.enter('x', ref('a'), asking(2, 1100));
        const doubted = [{ ...ref('h0'), at: 1100 }];
        assert.deepEqual(entered, { held: false, listed: true, doubted });
        assert.deepEqual(await places.room('x', asking(2, 1101)), { free: false, doubted: [] });
        assert.deepEqual(await places.evict('x', 2, doubted, 1102), [ref('a')]);
        assert.deepEqual(await places.evict('x', 2, doubted, 1102), [], 'once');
        const again = [
          { ...ref('h1'), at: 1202 },
          { ...ref('a'), at: 1202 },
        ];
        const room = await places.room('x', asking(2, 1202));
        assert.deepEqual(
          room.free ? [] : room.doubted.toSorted((one, two) => (one.id < two.id ? 1 : -1)),
          again,
        );
        assert.deepEqual(await places.evict('x', 2, again, 1203), []);
        assert.equal(await placeRowsOf(engine, 'x'), 0);
      });

      it('are not taken from one who entered again since, in the same moment or by an earlier clock', async () => {
        const engine = open(unique());
        const { places } = engine;
        for (const later of [50, 0, -50]) {
          await places.enter('x', ref('h'), asking(1, 1000));
          const room = await places.room('x', asking(1, 1100));
          assert.ok(!room.free);
          assert.deepEqual(room.doubted, [{ ...ref('h'), at: 1100 }]);
          assert.deepEqual(await places.enter('x', ref('h'), asking(1, 1100 + later)), { held: true });
          await places.evict('x', 1, room.doubted, 1101);
          assert.equal((await places.room('x', asking(1, 1101))).free, false);
          await places.leave('x', 1, ref('h'), 1102);
        }
      });

      it('are looked at in steps, the longest held first, and none twice', async () => {
        const engine = open(unique());
        const { places } = engine;
        const count = MOST_DOUBTED + 10;
        for (let n = 0; n < count; n++) await places.enter('x', ref(n), asking(count, 1000 + n));
        const look = async () => {
          const room = await places.room('x', asking(count, 2000));
          return room.free ? [] : room.doubted.map(({ id }) => Number(id)).toSorted((a, b) => a - b);
        };
        const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => from + n);
        assert.deepEqual(await look(), numbers(0, MOST_DOUBTED));
        assert.deepEqual(await look(), numbers(MOST_DOUBTED, count));
        assert.deepEqual(await look(), []);
      });

      it('are counted by names that are any string, of jobs that have any id, apart for each app', async () => {
        const [one, other] = [open(unique()), open(unique())];
        const names = ['', ' ', '{a}:b', '["t","k\\u0000"]', '"q"', '#x', 'nul\0', 'ünï', 'x'.repeat(9000)];
        const longer = `${'x'.repeat(9000)}y`;
        const odd = { queue: 'q~lane.%', id: 'a:b {c} "d" ünï' };
        for (const name of [...names, longer]) {
          for (const { places } of [one, other])
            assert.deepEqual(await places.enter(name, odd, asking(1, 1000)), { held: true });
          await one.places.enter(name, { ...odd, id: ':' }, asking(1, 1000));
          assert.deepEqual(await one.places.leave(name, 1, odd, 1001), [{ ...odd, id: ':' }]);
          await one.places.leave(name, 1, { ...odd, id: ':' }, 1001);
          assert.equal(await placeRowsOf(one, name), 0);
          assert.equal((await other.places.room(name, asking(1, 1000))).free, false);
        }
      });
    });

    describe('tasks that go on after a wait', () => {
      it('come first in their queue once they are due, the one that is due first before the others', async () => {
        const engine = open(unique());
        const backend = await engine.backend('q');
        const park = (starts: number) =>
          packPark({ starts, wakings: 1, ranMs: 0, for: [{ kind: 'wait', name: 'go' }] });
        const delayed: Readonly<Record<string, readonly [ms: number, stack: string]>> = {
          second: [120_000, park(1)],
          first: [60_000, park(1)],
          retry: [30_000, 'Error: x'],
          again: [30_000, park(0)],
          later: [3_600_000, park(1)],
        };
        for (const id of Object.keys(delayed)) await backend.addJob(job(id, { args: [] }), id, {});
        const worker = startWorker(engine, 'q', async ({ id = '' }, token = '') => {
          const [ms = 0, stack = ''] = delayed[id] ?? [];
          const fieldsToUpdate = { stacktrace: JSON.stringify(['Error: "earlier"', stack]) };
          await backend.moveToDelayed(id, Date.now(), ms, token, { skipAttempt: true, fieldsToUpdate });
          throw new DelayedError();
        });
        await until(async () => (await engine.queues.sizes(['q']))[0]?.delayed === 5);
        await worker.close();
        assert.equal(await engine.queues.wakingsFirst('q'), false, 'nothing is due');
        await backend.addJob(job('new', { args: [] }), 'new', {});
        const later = Date.now() + 300_000;
        assert.equal(await engine.queues.wakingsFirst('q', later), true);
        assert.equal(await engine.queues.wakingsFirst('q', later), true, 'one is there still');
        const next = async () => {
          const step = { limit: 1, passed: NOTHING_PASSED, token: 'token', lockMs: 1000 };
          return (await engine.queues.take('q', step)).jobs[0]?.id;
        };
        assert.deepEqual([await next(), await next()], ['first', 'second']);
        assert.equal(await engine.queues.wakingsFirst('q', later), false);
        assert.equal((await engine.queues.sizes(['q']))[0]?.delayed, 3);
      });
    });

    describe('steps of a job', () => {
      const ref = { queue: 'q', id: 'one' };
      const odd = 'w:nul\0 ünï "x"';
      /** Runs `body` while a worker holds the job. */
      const held = async (engine: Engine, body: (token: string) => Promise<void>) => {
        const backend = await engine.backend('q');
        await backend.addJob(job('one', { v: 1, args: [] }), 'one', {});
        let failure: unknown;
        const worker = startWorker(engine, 'q', async (_job, token = '') => {
          await body(token).catch((error: unknown) => {
            failure = error;
          });
        });
        try {
          await until(async () => (await engine.readEnded([ref]))[0] === true);
        } finally {
          await worker.close();
        }
        if (failure !== undefined) throw failure;
      };

      it('are written once, by who holds the lock, and go with the job', async () => {
        const [engine, other] = pair(open);
        await other.ready();
        await held(engine, async (token) => {
          const write = (field: string, value: string, sees?: string) =>
            engine.steps.write(ref, token, { field, value, sees });
          assert.deepEqual(await write('s:a', '1', odd), { before: undefined, seen: undefined });
          assert.deepEqual(await write('s:a', '2'), { before: '1', seen: undefined });
          assert.equal(await engine.steps.write(ref, 'other', { field: 's:b', value: '1' }), undefined);
          assert.equal((await other.readJobs([ref]))[0]?.hasSteps, true);
          const sent = { field: odd, value: 'v', awaitedIf: 's:x', now: 1000 };
          assert.equal(await other.steps.send(ref, sent), 'kept');
          assert.equal(await other.steps.send(ref, sent), 'taken');
          assert.deepEqual(await write('s:c', '3', odd), { before: undefined, seen: 'v' });
          const fields = [...(await other.steps.read(ref))].toSorted(([a], [b]) => (a < b ? -1 : 1));
          assert.deepEqual(fields, [
            ['s:a', '1'],
            ['s:c', '3'],
            [odd, 'v'],
          ]);
        });
        assert.equal((await engine.steps.read(ref)).size, 3, 'kept with the record');
        assert.equal(
          await engine.steps.send(ref, { field: 'w:z', value: 'v', awaitedIf: 's:a', now: 1 }),
          'gone',
        );
        await (await engine.backend('q')).remove('one', false);
        assert.equal((await engine.steps.read(ref)).size, 0);
        await (await engine.backend('q')).addJob({ ...job('one', {}), timestamp: 5 }, 'one', {});
        assert.equal((await engine.steps.read(ref)).size, 0, 'an id that is used again');
        assert.equal((await engine.readJobs([ref]))[0]?.hasSteps, undefined);
      });

      it('lead to a wake-up where a wait has begun, which is leased to one at a time', async () => {
        const [engine, other] = pair(open);
        await other.ready();
        await held(engine, async (token) => {
          await engine.steps.write(ref, token, { field: 's:a', value: '1' });
          assert.deepEqual(await other.steps.due(5000, 10, 100), []);
          const sent = { field: 'w:a', value: 'v', awaitedIf: 's:a', now: 1000 };
          assert.equal(await other.steps.send(ref, sent), 'awaited');
          assert.deepEqual(await other.steps.due(999, 10, 100), []);
          assert.deepEqual(await other.steps.due(1000, 10, 100), [ref]);
          assert.deepEqual(await engine.steps.due(1099, 10, 100), []);
          assert.deepEqual(await engine.steps.due(1100, 10, 100), [ref]);
          const mark = (await engine.steps.mark(ref)) ?? 0;
          const later = { field: 'w:b', value: 'v', awaitedIf: 's:a', now: 1000 };
          assert.equal(await other.steps.send(ref, later), 'awaited');
          await engine.steps.settle(ref, mark);
          assert.deepEqual(await engine.steps.due(9000, 10, 100), [ref], 'a later value keeps its own mark');
          await engine.steps.settle(ref, (await other.steps.mark(ref)) ?? 0);
          assert.equal(await engine.steps.mark(ref), undefined);
          assert.deepEqual(await engine.steps.due(19_000, 10, 100), []);
        });
      });

      it('race: a wait that begins sees the value, or the sender sees the wait', async () => {
        const [engine, other] = pair(open);
        await other.ready();
        await held(engine, async (token) => {
          for (let n = 0; n < 50; n++) {
            const [written, sent] = await Promise.all([
              engine.steps.write(ref, token, { field: `s:${n}`, value: '1', sees: `w:${n}` }),
              other.steps.send(ref, { field: `w:${n}`, value: 'v', awaitedIf: `s:${n}`, now: 1000 }),
            ]);
            assert.ok(written?.seen === 'v' || sent === 'awaited', `${n}: ${written?.seen} ${sent}`);
          }
        });
      });

      it('are counted where their jobs wait, until that is over', async () => {
        const [engine, other] = pair(open);
        await other.ready();
        const backend = await engine.backend('q');
        const waiting = async (laterMs = 0) => [...(await other.steps.waiting(Date.now() + laterMs))];
        const parked = packPark({ starts: 1, wakings: 1, ranMs: 0, for: [{ kind: 'wait', name: 'a' }] });
        const stacks: Record<string, string> = { sleeps: parked, waits: parked, retries: 'Error: no' };
        const ran: string[] = [];
        const worker = startWorker(engine, 'q', async ({ id = '' }, token = '') => {
          const at = { queue: 'q', id };
          await engine.steps.write(at, token, { field: 's:a', value: '1', parks: true });
          if (ran.length === 0) assert.deepEqual(await waiting(), [], 'it runs');
          ran.push(id);
          if (stacks[id] === undefined) return;
          const stacktrace = JSON.stringify([stacks[id]]);
          await backend.moveToDelayed(id, Date.now(), 60_000, token, {
            skipAttempt: true,
            fieldsToUpdate: { stacktrace },
          });
          throw new DelayedError();
        });
        const ids = ['sleeps', 'waits', 'retries', 'ends'];
        for (const id of ids) await backend.addJob(job(id, { v: 1, args: [] }), id, {});
        const ended = { queue: 'q', id: 'ends' };
        await until(async () => ran.length === 4 && (await engine.readEnded([ended]))[0] === true);
        await worker.close();
        assert.deepEqual(await waiting(), [['q', 2]]);
        assert.deepEqual(await waiting(61_000), [], 'over');
        while (await engine.reclaim(1));
        assert.deepEqual(await waiting(), [['q', 2]]);
        await backend.promote('sleeps');
        assert.deepEqual(await waiting(), [['q', 1]]);
        await backend.remove('waits', false);
        assert.deepEqual(await waiting(), []);
      });

      it('are copied to another job, and removed', async () => {
        const engine = open(unique());
        const lane = { queue: 'q~lane', id: 'one' };
        await held(engine, async (token) => {
          assert.equal(await engine.steps.copy(ref, lane), false);
          await engine.steps.write(ref, token, { field: 's:a', value: '1' });
          await (await engine.backend('q~lane')).addJob(job('one', {}), 'one', {});
          assert.equal(await engine.steps.copy(ref, lane), true);
          assert.deepEqual([...(await engine.steps.read(lane))], [['s:a', '1']]);
          await engine.steps.remove(lane);
          assert.equal((await engine.steps.read(lane)).size, 0);
          assert.equal((await engine.steps.read(ref)).size, 1);
        });
        await engine.reclaim(10);
        assert.equal((await engine.steps.read(ref)).size, 1);
      });
    });

    describe('streams', () => {
      it('appends once, in order, by the holder of the lock alone', async () => {
        const engine = open(unique());
        const { ref, token } = await runningJob(engine);
        const write = { ...STREAM, ref, token };
        assert.equal(await engine.streams.read(ref.id, 0, 10), undefined);
        assert.equal(await engine.streams.append({ ...write, first: 0, chunks: texts('"a"', '"b"') }), true);
        // Asked again after a lost answer; and with more than was written the first time.
        assert.equal(await engine.streams.append({ ...write, first: 0, chunks: texts('"a"', '"b"') }), true);
        assert.equal(await engine.streams.append({ ...write, first: 1, chunks: texts('"b"', '"c"') }), true);
        assert.equal(
          await engine.streams.append({ ...write, token: 'another', first: 3, chunks: texts('"d"') }),
          false,
        );
        const page = await engine.streams.read(ref.id, 0, 10);
        assert.deepEqual(page, {
          origin: 'o',
          attempt: 0,
          first: 0,
          next: 3,
          chunks: [
            { index: 0, at: 1, text: '"a"' },
            { index: 1, at: 2, text: '"b"' },
            { index: 2, at: 2, text: '"c"' },
          ],
        });
        const rest = await engine.streams.read(ref.id, 2, 10);
        assert.deepEqual(
          rest?.chunks.map(({ index }) => index),
          [2],
        );
        assert.deepEqual((await engine.streams.read(ref.id, 7, 10))?.chunks, []);
        assert.equal((await engine.streams.read(ref.id, 0, 2))?.chunks.length, 2);
      });

      it('drops what an earlier attempt left, and the oldest of what is too much', async () => {
        const engine = open(unique());
        const { ref, token } = await runningJob(engine);
        const write = { ...STREAM, ref, token, mostChunks: 10, mostBytes: 40 };
        const many = Array.from({ length: 205 }, (_, i) => `${i % 10}`);
        await engine.streams.append({ ...write, first: 0, chunks: texts(...many) });
        const kept = await engine.streams.read(ref.id, 0, 100);
        assert.deepEqual([kept?.first, kept?.next, kept?.chunks.length], [195, 205, 10]);
        assert.equal(kept?.chunks[0]?.index, 195);
        await engine.streams.append({ ...write, first: 205, chunks: texts('x'.repeat(12), 'y'.repeat(20)) });
        const fewer = await engine.streams.read(ref.id, 0, 100);
        assert.deepEqual([fewer?.first, fewer?.next], [197, 207]);
        await engine.streams.append({ ...write, first: 207, chunks: texts('z'.repeat(15)) });
        const bytes = await engine.streams.read(ref.id, 0, 100);
        assert.deepEqual([bytes?.first, bytes?.next], [206, 208]);
        for (const change of [{ attempt: 1 }, { attempt: 1, origin: 'p' }]) {
          await engine.streams.append({ ...write, ...change, first: 0, chunks: texts('new') });
          const page = await engine.streams.read(ref.id, 0, 100);
          assert.deepEqual([page?.first, page?.next, page?.chunks.length], [0, 1, 1]);
        }
      });

      it('ends a page before it is too large, but gives a chunk at least', async () => {
        const engine = open(unique());
        const { ref, token } = await runningJob(engine);
        const large = 'x'.repeat(600_000);
        const chunks = texts('a', large, large, 'b');
        await engine.streams.append({ ...STREAM, ref, token, first: 0, chunks });
        const sizes = [];
        for (let next = 0; next < 4; ) {
          const page = await engine.streams.read(ref.id, next, 100);
          sizes.push(page?.chunks.length ?? 0);
          next += page?.chunks.length ?? assert.fail('nothing');
        }
        assert.ok(sizes.length >= 2 && Math.max(...sizes) < 4, `${sizes}`);
      });

      it('notifies who listens, and is removed and expires as a whole', async () => {
        const [engine, other] = pair(open);
        const { ref, token } = await runningJob(engine);
        const heard = new Promise<void>((resolve) => {
          void other.signals.subscribe(chunkTopic(ref.id), () => resolve()).then(() => append('a'));
        });
        const append = (text: string) =>
          engine.streams.append({ ...STREAM, ref, token, first: 0, chunks: texts(text) });
        await heard;
        await engine.streams.remove([ref.id, 'never-there']);
        assert.equal(await engine.streams.read(ref.id, 0, 10), undefined);
        await append('b');
        await engine.streams.expire(ref.id, 100);
        await until(async () => (await engine.streams.read(ref.id, 0, 10)) === undefined);
        await append('c');
        assert.equal((await engine.streams.read(ref.id, 0, 10))?.chunks[0]?.text, 'c');
        await engine.streams.expire(ref.id, 1);
        await until(async () => (await engine.streams.read(ref.id, 0, 10)) === undefined);
        while (await engine.reclaim(100));
      });
    });

    describe('its life', () => {
      it('tells the time', async () => {
        const now = await open(unique()).serverTime();
        assert.ok(Math.abs(now - Date.now()) < 5_000);
      });

      it('names an address without a password', () => {
        assert.doesNotMatch(open(unique()).address, /secret/);
      });

      it('releases a hold twice', () => {
        const release = open(unique()).hold();
        release();
        release();
      });

      it('migrates as often as one likes', async () => {
        const engine = open(unique());
        await engine.migrate();
        await engine.migrate();
        await engine.ready();
      });

      it('closes twice, and before it was ever used', async () => {
        const used = open(unique());
        await used.ready();
        await used.close();
        await used.close();
        await open(unique()).close();
      });
    });
  });
}

function configOf(prefix: string): EngineConfig {
  return { prefix, connectTimeoutMs: 20_000, migrate: true, onTrouble: () => {}, onRecovered: () => {} };
}

function unique(): string {
  return `p-${randomUUID()}`;
}

/** Two engines on one prefix: two processes, as far as the broker can tell. */
function pair(open: (prefix: string) => Engine): [Engine, Engine] {
  const prefix = unique();
  return [open(prefix), open(prefix)];
}

function job(id: string, data: object): JobJson {
  return {
    id,
    name: 'test.task',
    data: JSON.stringify(data),
    opts: {},
    progress: {},
    attemptsMade: 0,
    attemptsStarted: 0,
    timestamp: Date.now(),
    failedReason: '',
    returnvalue: '',
    stalledCounter: 0,
  };
}

/** What the appends of these tests have in common. */
const STREAM = { origin: 'o', attempt: 0, mostChunks: 10_000, mostBytes: 10_000_000, ttlMs: 600_000 };

function texts(...chunks: string[]): StoredChunk[] {
  return chunks.map((text, i) => ({ at: i + 1, text }));
}

/** A job whose lock is ours. */
async function runningJob(engine: Engine) {
  const backend = await engine.backend('q');
  await backend.addJob(job('streams', {}), 'streams', {});
  const token = randomUUID();
  const taken = await engine.queues.take('q', { limit: 1, passed: NOTHING_PASSED, token, lockMs: 600_000 });
  assert.equal(taken.jobs.length, 1);
  return { ref: { queue: 'q', id: 'streams' }, token };
}

function startWorker(engine: Engine, queue: string, run: Processor): Worker {
  const { connection, prefix, factory } = engine.bullmq();
  const options = { connection, ...(prefix === undefined ? {} : { prefix }), name: 'node-1' };
  const worker = new Worker(queue, run, options as never, factory as never);
  worker.on('error', (error) => {
    if (!isCeleriacError(error)) console.error(error);
  });
  return worker;
}

async function until(check: () => Promise<boolean>): Promise<void> {
  const giveUpAt = Date.now() + 10_000;
  while (!(await check())) {
    if (Date.now() > giveUpAt) throw new Error('it did not become true within 10 s');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function within<T>(ms: number, promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not come within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
