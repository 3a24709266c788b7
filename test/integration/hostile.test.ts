/**
 * What nobody should send, throw or return, and somebody will: on every engine. None of it may crash a worker, change
 * another task's fate, leave a job active, hang a waiter or touch a prototype.
 */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { type Job, Queue, Worker as RawWorker } from 'bullmq';
import { CeleriacError, isCeleriacError, TaskFailedError } from 'celeriac';
import { Redis } from 'ioredis';
import { openEngine } from '#src/broker/open.js';
import { type Ground, gate, onEveryEngine, pause, rejection, type TestApp, until } from '../support/app.js';

/** Text that PostgreSQL, JSON or a careless object trips over. */
const TEXTS = [
  '\0',
  'a\0b',
  '\ud800',
  'x\udc00y',
  '\ud83d\ude00',
  '\u2400',
  '\u24000000',
  '\ud800\0\u2400d800',
  '__proto__',
  'constructor',
  'toString',
  '"\\\n\u2028 :~%{}@',
];
const own = (key: string, value: unknown): object => JSON.parse(`{${JSON.stringify(key)}:null}`, () => value);
const keyed = (key: string, value: unknown): Record<string, unknown> =>
  Object.defineProperty({}, key, { value, enumerable: true, configurable: true, writable: true });
const refuse = (): never => {
  throw new Error('do not look');
};

function suite(ground: Ground): void {
  describe('odd text', () => {
    it('comes back as it was: in arguments, results, keys, headers and meta', async (t) => {
      const { app, twin, worker } = ground.app(t);
      const echo = app.task('echo', async function (value: unknown) {
        await this.updateState('PROGRESS', value);
        return { value, headers: this.request.headers };
      });
      await worker();
      const results = await Promise.all(
        TEXTS.map((text) => echo.applyAsync([keyed(text, text)], { headers: keyed(text, text) })),
      );
      const other = twin();
      for (const [n, text] of TEXTS.entries()) {
        const result = other.result<{ value: unknown; headers: unknown }>(results[n]?.id ?? '');
        const expected = keyed(text, text);
        assert.deepEqual(await result.get(), { value: expected, headers: expected }, JSON.stringify(text));
        const { meta, headers, args } = await result.snapshot();
        assert.deepEqual({ meta, headers, args }, { meta: expected, headers: expected, args: [expected] });
      }
      assertNoPollution();
    });

    it('is taken as task id and as shadow', async (t) => {
      const { app, twin, worker, lines } = ground.app(t);
      const who = app.task('who', function () {
        return this.request.id;
      });
      await worker();
      await Promise.all(TEXTS.map((text) => who.applyAsync([], { taskId: text, shadow: `shadow ${text}` })));
      const other = twin();
      for (const text of TEXTS) {
        assert.equal(await other.result(text).get(), text);
        await until(() => lines.some(({ fields }) => fields.task === `shadow ${text}`), 'its log line');
      }
    });

    it('is kept in errors: name, message, code, fields, causes, and while they are retried', async (t) => {
      const { app, twin, worker } = ground.app(t);
      const fail = app.task(
        'fail',
        { autoretryFor: true, maxRetries: 1, defaultRetryDelay: 1 },
        (text: string) => {
          const error = new Error(text, { cause: new RangeError(text) });
          Object.defineProperty(error, 'name', { value: text });
          throw Object.assign(error, { code: text, own: keyed(text, text) });
        },
      );
      await worker();
      const results = await Promise.all(TEXTS.map((text) => fail.delay(text)));
      const other = twin();
      for (const [n, text] of TEXTS.entries()) {
        const { cause, errorName } = (await rejection(
          other.result(results[n]?.id ?? '').get(),
        )) as TaskFailedError;
        assert.ok(cause instanceof Error);
        const { name, message, code, own: field } = cause as Error & { code?: unknown; own?: unknown };
        assert.deepEqual(
          { errorName, name, message, code, field },
          { errorName: text, name: text, message: text, code: text, field: keyed(text, text) },
        );
        assert.equal((cause.cause as Error).message, text);
      }
    });

    it('as a name of a task or queue works, or is refused where it is written', (t) =>
      assertNames(t, ground, [...TEXTS.filter(isStorable), 'ä/ö', '..', '%41', 'q{1}', 'a@b', '0', '123']));

    it('of NUL or half a character is no name', (t) =>
      assertNames(
        t,
        ground,
        TEXTS.filter((text) => !isStorable(text)),
        '2s',
      ));
  });

  describe('a thrown thing', () => {
    it('ends its task, retried as often as its rule says, whatever it is', async (t) => {
      const made = ground.app(t);
      const { app, worker } = made;
      const runs = new Map<string, number>();
      const raise = (kind: string) => (what: string) => {
        const key = `${kind}: ${what}`;
        runs.set(key, (runs.get(key) ?? 0) + 1);
        throw THROWN[what]?.();
      };
      const quick = { maxRetries: 1, defaultRetryDelay: 1 };
      const picky = { ...quick, throws: [Picky], autoretryFor: [Picky] };
      const stored = {
        plain: app.task('plain', raise('plain')),
        retried: app.task('retried', { ...quick, autoretryFor: true }, raise('retried')),
        expected: app.task('expected', picky, raise('expected')),
      };
      const ignored = app.task('ignored', { ...picky, ignoreResult: true }, raise('ignored'));
      await worker({ concurrency: 4 });
      for (const what of Object.keys(THROWN)) {
        const sent = await Promise.all(Object.values(stored).map((handle) => handle.delay(what)));
        const quiet = await ignored.delay(what);
        for (const result of sent) {
          const error = await result.get({ propagate: false, timeout: '20s' });
          assert.ok(error instanceof TaskFailedError, `${what}: ${error}`);
          assert.ok(error.cause instanceof Error, what);
          assert.ok(error.message.length < 70_000, `${what}: ${error.message.length} characters`);
        }
        assert.equal(await quiet.get({ timeout: '20s' }), undefined, what);
        const counts = ['plain', 'retried', 'expected', 'ignored'].map((kind) =>
          runs.get(`${kind}: ${what}`),
        );
        assert.deepEqual(counts, [1, 2, 1, 1], what);
      }
      assertNoPollution();
      await assertAlive(t, ground, made);
    });

    for (const [what, choke] of [
      ['throws', () => refuse()],
      ['rejects', async () => refuse()],
    ] as const)
      it(`keeps its outcome though the logger ${what}, whatever it is given`, async (t) => {
        const logger = { debug: choke, info: choke, warn: choke, error: choke };
        Object.defineProperty(logger, 'level', { get: () => 'info', set: refuse });
        const { app: loud } = ground.app(t, { logger });
        const ok = loud.task('ok', function () {
          this.log.info({}, 'from the task');
          return 1;
        });
        let runs = 0;
        const again = loud.task('again', { autoretryFor: true, defaultRetryDelay: 1 }, () => {
          if (++runs === 1) throw new Error('once');
          return runs;
        });
        const bad = loud.task('bad', () => {
          throw new RangeError('bad');
        });
        for (const event of ['task-started', 'task-failed', 'worker-online', 'worker-offline'] as const)
          loud.on(event, choke);
        const worker = loud.worker({ concurrency: 3 });
        await worker.start();
        assert.equal(await (await ok.delay()).get({ timeout: '20s' }), 1);
        assert.equal(await (await again.delay()).get({ timeout: '20s' }), 2);
        const error = (await rejection((await bad.delay()).get({ timeout: '20s' }))) as TaskFailedError;
        assert.equal(error.errorName, 'RangeError');
        const [reply] = Object.values(await loud.control.loglevel('error'));
        assert.deepEqual(reply, { ok: 'log level is error now' });
        await worker.stop();
      });
  });

  describe('a hostile value', () => {
    it('given as argument is refused at the call, and nothing is sent', async (t) => {
      const made = ground.app(t);
      const { app } = made;
      const echo = app.task('echo', (value: unknown) => value);
      for (const [what, make] of Object.entries(UNSENDABLE)) {
        const asArgument = await rejection(echo.delay(make()));
        assert.ok(isCeleriacError(asArgument, 'NOT_SERIALIZABLE'), `${what}: ${asArgument}`);
      }
      const queue = rawQueue(t, ground, made);
      assert.deepEqual(await queue.getJobCounts('waiting', 'delayed', 'active'), {
        waiting: 0,
        delayed: 0,
        active: 0,
      });
    });

    it('given as header is refused at the call', async (t) => {
      const { app } = ground.app(t);
      const echo = app.task('echo', (value: unknown) => value);
      for (const [what, make] of Object.entries(UNSENDABLE)) {
        const error = await rejection(echo.applyAsync([1], { headers: { it: make() } }));
        assert.ok(isCeleriacError(error, 'NOT_SERIALIZABLE'), `${what}: ${error}`);
      }
    });

    it('as a result fails the task with NotSerializableError', async (t) => {
      const made = ground.app(t);
      const { app, worker } = made;
      const give = app.task('give', { autoretryFor: true, maxRetries: 2 }, (what: string) =>
        UNSENDABLE[what]?.(),
      );
      await worker();
      const names = Object.keys(UNSENDABLE);
      const results = await Promise.all(names.map((what) => give.delay(what)));
      for (const [n, result] of results.entries()) {
        const error = (await rejection(result.get({ timeout: '20s' }))) as TaskFailedError;
        assert.equal(error.errorName, 'NotSerializableError', `${names[n]}: ${error}`);
      }
      await assertAlive(t, ground, made);
    });

    it('as meta harms neither the task nor what it reports afterwards', async (t) => {
      const { app, worker } = ground.app(t);
      const report = app.task('report', async function (what: string) {
        await this.updateState('PROGRESS', UNSENDABLE[what]?.()).catch(() => undefined);
        await this.updateState('PROGRESS', 'after');
        return 'done';
      });
      await worker();
      for (const what of Object.keys(UNSENDABLE)) {
        const result = await report.delay(what);
        assert.equal(await result.get({ timeout: '20s' }), 'done', what);
        assert.equal((await result.snapshot()).meta, 'after', what);
      }
    });

    it('that is only odd comes through: frozen, sealed, without a prototype, large, with keys of prototypes', async (t) => {
      const { app, worker } = ground.app(t);
      const echo = app.task('echo', (value: unknown) => value);
      await worker();
      const large = 'x'.repeat(5_000_000);
      const polluting = JSON.parse(
        '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"hasOwnProperty":1,"then":1}',
      ) as object;
      const odd = [
        Object.freeze({ a: Object.freeze([1]) }),
        Object.seal([{ a: 1 }]),
        Object.assign(Object.create(null), { a: 1 }),
        new Proxy({ a: 1 }, {}),
        polluting,
        large,
        { $celeriac: 'json', value: 1 },
        { $celeriac: 'undefined' },
      ];
      for (const value of odd) {
        const back = await (await echo.delay(value)).get({ timeout: '20s' });
        // jsonb does not keep the order of keys.
        assert.deepEqual(back, JSON.parse(JSON.stringify(value)));
      }
      assertNoPollution();
    });
  });

  describe('a job of another program', () => {
    it('ends, whatever its data says, and its waiter hears of it', async (t) => {
      const made = ground.app(t, { unknownTaskGrace: 0 });
      const { app, worker } = made;
      app.task('any', (...args: unknown[]) => args.length);
      const queue = rawQueue(t, ground, made);
      const ids: string[] = [];
      const add = async (name: string, data: unknown, opts: object = {}) => {
        const jobId = `rawrawrawraw-${ids.length.toString(36)}@celeriac`;
        ids.push(jobId);
        await queue.add(name, data, { ...opts, jobId });
      };
      const other = made.twin();
      const ends = (id: string) =>
        other
          .result(id)
          .get({ propagate: false, timeout: '30s' })
          .then(
            (ending) => (ending instanceof Error ? ending.name : 'value'),
            (error: Error) => error.name,
          );
      app.task('limited', { rateLimit: '1000/s' }, (...args: unknown[]) => args.length);
      app.task('keyed', { concurrency: { limit: 2, key: String } }, (...args: unknown[]) => args.length);
      for (const data of RAW_DATA) await add('any', data);
      for (const name of ['limited', 'keyed']) for (const data of RAW_DATA) await add(name, data);
      await worker();
      const endings = await Promise.all(ids.map(ends));
      // Some of these options make BullMQ drop what ended before, so they come when that has been read.
      for (const opts of RAW_OPTIONS) await add('any', { v: 1, args: [] }, opts);
      for (const name of ['', '__proto__', 'constructor', 'nobody', '\u2400']) await add(name, {});
      endings.push(...(await Promise.all(ids.slice(endings.length).map(ends))));
      const stuck = endings.flatMap((ending, n) =>
        ending === 'ResultTimeoutError'
          ? [JSON.stringify([...RAW_DATA, ...RAW_DATA, ...RAW_DATA, ...RAW_OPTIONS][n])]
          : [],
      );
      assert.deepEqual(stuck, []);
      // What limits and moments of no sense do not touch simply runs.
      for (const [n, data] of RAW_DATA.entries()) {
        if (RUNNABLE.has(data)) assert.equal(endings[n], 'value', JSON.stringify(data));
      }
      await untilIdle(queue);
      assertNoPollution();
      await assertAlive(t, ground, made);
    });

    it('whose data is no JSON, or nested beyond all reading, fails by itself', {
      skip: ground.engine !== 'redis' && 'PostgreSQL takes nothing else',
    }, async (t) => {
      const made = ground.app(t);
      const { app, worker } = made;
      app.task('any', (...args: unknown[]) => args.length);
      app.task('limited', { rateLimit: '1000/s' }, (...args: unknown[]) => args.length);
      const queue = rawQueue(t, ground, made);
      const redis = new Redis(ground.url);
      t.after(() => redis.disconnect());
      const ids: string[] = [];
      for (const name of ['any', 'limited'])
        for (const data of UNREADABLE) {
          const jobId = `rawrawrawraw-${ids.length.toString(36)}@celeriac`;
          ids.push(jobId);
          // Delayed until its data is what it is to be.
          const job = await queue.add(name, {}, { jobId, delay: 3_600_000 });
          await redis.hset(`${made.prefix}:celeriac:${jobId}`, 'data', data);
          await job.promote();
        }
      const twin = made.twin();
      const early = ids.map((id) => twin.result(id).get({ propagate: false, timeout: '30s' }));
      await worker();
      for (const [n, ending] of (await Promise.all(early)).entries())
        assert.ok(ending instanceof TaskFailedError || typeof ending === 'number', `${ids[n]}: ${ending}`);
      for (const id of ids) {
        const { known, state } = await twin.result(id).snapshot();
        assert.ok(known && (state === 'FAILURE' || state === 'SUCCESS'));
        await twin.result(id).forget();
      }
      await assertAlive(t, ground, made);
    });

    it('whose own fields of BullMQ cannot be read fails once, by its id in the log, and is not seen again', {
      skip: ground.engine !== 'redis' && 'PostgreSQL takes nothing else',
    }, async (t) => {
      const made = ground.app(t, { lockDuration: '2s' });
      const { app, worker, lines } = made;
      let runs = 0;
      app.task('any', () => ++runs);
      app.task('limited', { rateLimit: '1000/s' }, () => ++runs);
      const queue = rawQueue(t, ground, made);
      const redis = new Redis(ground.url);
      t.after(() => redis.disconnect());
      const ids: string[] = [];
      for (const name of ['any', 'limited'])
        for (const [field, text] of UNREADABLE_FIELDS) {
          const jobId = `fieldfieldab-${ids.length.toString(36)}@celeriac`;
          ids.push(jobId);
          const job = await queue.add(name, {}, { jobId, delay: 3_600_000 });
          await redis.hset(`${made.prefix}:celeriac:${jobId}`, field, text);
          await redis.zrem(`${made.prefix}:celeriac:delayed`, jobId);
          await redis.lpush(`${made.prefix}:celeriac:wait`, job.id ?? '');
          // The one after it is fetched together with the end of it.
          await app.sendTask('any');
        }
      const twin = made.twin();
      const early = ids.map((id) => twin.result(id).get({ propagate: false, timeout: '30s' }));
      await worker({ concurrency: 2 });
      for (const [n, ending] of (await Promise.all(early)).entries()) {
        assert.ok(ending instanceof TaskFailedError, `${ids[n]}: ${ending}`);
        assert.match(ending.message, /Another program wrote this job/);
      }
      await untilIdle(queue);
      assert.equal(runs, ids.length);
      for (const id of ids)
        assert.equal(lines.filter(({ message }) => message.includes(`job ${id}:`)).length, 1, id);
      const [stats] = Object.values(await app.inspect().stats());
      assert.deepEqual(stats && 'slots' in stats && stats.slots, { size: 2, used: 0, free: 2 });
      assert.deepEqual(await redis.keys(`${made.prefix}:*:lock`), []);
      await assertAlive(t, ground, made);
    });

    it('is never left active by a due time beyond all calendars', async (t) => {
      const made = ground.app(t);
      made.app.task('any', () => 1);
      const queue = rawQueue(t, ground, made);
      for (const eta of [1e300, Number.MAX_SAFE_INTEGER, 8.64e15 + 1])
        await queue.add('any', { v: 1, args: [], eta });
      await made.worker();
      await until(async () => (await queue.getJobCounts('active', 'waiting')).waiting === 0, 'a taken job');
      await until(async () => (await queue.getJobCounts('active')).active === 0, 'no active job');
    });

    it('run by another program gives its waiter an end, whatever it reports and returns', async (t) => {
      const made = ground.app(t);
      const { app } = made;
      rawWorker(t, ground, made, async (job) => {
        const { args } = job.data as { args: [number] };
        for (const progress of RAW_PROGRESS) await job.updateProgress(progress as never);
        return RAW_RETURNS[args[0]];
      });
      const results = await Promise.all(
        RAW_RETURNS.map((_, n) => app.sendTask('elsewhere', [n], { queue: 'raw' })),
      );
      for (const [n, result] of results.entries()) {
        const heard = await result.get({ timeout: '30s' }).catch((error: Error) => error);
        assert.notEqual(
          heard instanceof Error && heard.name,
          'ResultTimeoutError',
          JSON.stringify(RAW_RETURNS[n]),
        );
        // What another serializer wrote is told as an error here too.
        await drained(result.updates()).catch((error: unknown) => assert.ok(error instanceof CeleriacError));
      }
      assertNoPollution();
    });

    it('reports states of no sense without breaking those who watch', async (t) => {
      const made = ground.app(t);
      const { app } = made;
      const go = gate();
      rawWorker(t, ground, made, async (job) => {
        const { args } = job.data as { args: [number] };
        await job.updateProgress(RAW_PROGRESS[args[0]] as never);
        await go.opened;
        return 'done';
      });
      const results = await Promise.all(
        RAW_PROGRESS.map((_, n) => app.sendTask('elsewhere', [n], { queue: 'raw' })),
      );
      for (const [n, result] of results.entries()) {
        await until(async () => (await result.status) !== 'PENDING', 'a start');
        const state = await result.status;
        assert.equal(typeof state, 'string', JSON.stringify(RAW_PROGRESS[n]));
        assert.notEqual(state, 'SUCCESS');
      }
      go.open();
      for (const result of results) assert.equal(await result.get({ timeout: '30s' }), 'done');
    });
  });

  it('limits and waits longer than a timer of Node reaches do not end at once', async (t) => {
    const { app, worker } = ground.app(t);
    const work = app.task('work', { timeLimit: '40d', softTimeLimit: '30d' }, async function () {
      // A timer that was set for more than it reaches fires after 1 ms, and before those of 1 ms that were set later.
      await pause(1);
      return this.signal.aborted;
    });
    await worker();
    assert.equal(await (await work.delay()).get({ timeout: '60d' }), false);
  });
}

/** Named in `throws` and `autoretryFor`, to see whether asking a hostile thing for its class does harm. */
class Picky extends Error {}

const trapped = (target: object) =>
  new Proxy(target, {
    get: refuse,
    has: refuse,
    ownKeys: refuse,
    getPrototypeOf: refuse,
    getOwnPropertyDescriptor: refuse,
  });
const withGetter = (error: object, ...keys: string[]) => {
  for (const key of keys)
    Object.defineProperty(error, key, { get: refuse, enumerable: true, configurable: true });
  return error;
};

const THROWN: Readonly<Record<string, () => unknown>> = {
  'a revoked proxy': () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  },
  'a proxy of an error whose every trap throws': () => trapped(new Error('behind')),
  'an error whose every property throws': () =>
    withGetter(
      new Error('x'),
      'name',
      'message',
      'stack',
      'cause',
      'code',
      'errors',
      'constructor',
      'toJSON',
      'toString',
      'then',
    ),
  'an error of a class whose name throws': () => {
    class Nameless extends Error {}
    Object.defineProperty(Nameless, 'name', { get: refuse });
    return new Nameless('x');
  },
  'a frozen error': () => Object.freeze(new Error('frozen')),
  'a frozen object without a prototype': () => Object.freeze(Object.create(null)),
  'an error whose message is no text': () => Object.assign(new Error(), { message: { cyclic: globalThis } }),
  'an error whose name and code are no text': () =>
    Object.assign(new Error(), { name: 5, code: { a: 1 }, stack: 7 }),
  'two errors that cause each other': () => {
    const a = new Error('a');
    const b = new Error('b', { cause: a });
    a.cause = b;
    return a;
  },
  'an AggregateError that holds itself a thousand times': () => {
    const error = new AggregateError([], 'many');
    error.errors.push(...Array.from({ length: 1000 }, () => error));
    return error;
  },
  'a chain of ten thousand causes': () => {
    let error = new Error('first');
    for (let i = 0; i < 10_000; i++) error = new Error(`over ${i}`, { cause: error });
    return error;
  },
  'a message of 5 MB': () => new Error('m'.repeat(5_000_000)),
  'a message of 5 MB of what must be escaped': () => new Error('\0\ud800'.repeat(2_500_000)),
  'a name of 5 MB': () => Object.assign(new Error('x'), { name: 'N'.repeat(5_000_000) }),
  'a field of 5 MB, a hundred thousand fields, deep fields': () => {
    const error = new Error('x') as Error & Record<string, unknown>;
    error.big = 'f'.repeat(5_000_000);
    for (let i = 0; i < 100_000; i++) error[`field${i}`] = i;
    let deep: object = {};
    for (let i = 0; i < 50_000; i++) deep = { deep };
    return Object.assign(error, { deep });
  },
  'fields with the names of prototypes': () =>
    Object.assign(
      new Error('x'),
      { nested: own('__proto__', { polluted: 1 }) },
      own('constructor', { prototype: { polluted: 1 } }),
    ),
  'a thenable': () => Object.assign(keyed('then', refuse), { message: 'thenable' }),
  'an object whose conversions throw': () => ({
    toJSON: refuse,
    toString: refuse,
    valueOf: refuse,
    [Symbol.toPrimitive]: refuse,
  }),
  'a class': () => Picky,
};

const UNSENDABLE: Readonly<Record<string, () => unknown>> = {
  'a function': () => ({ f: () => 1 }),
  'a symbol': () => [Symbol('s')],
  'a BigInt': () => ({ n: 1n }),
  'a Map': () => ({ map: new Map() }),
  NaN: () => [Number.NaN],
  'a cycle': () => {
    const cycle: Record<string, unknown> = {};
    cycle.self = cycle;
    return cycle;
  },
  'a throwing getter': () => withGetter({}, 'trap'),
  'a throwing toJSON': () => ({ toJSON: refuse }),
  'a proxy whose every trap throws': () => ({ inner: trapped({}) }),
  'a revoked proxy': () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return { inner: proxy };
  },
  'nesting of a hundred thousand levels': () => {
    let deep: object = {};
    for (let i = 0; i < 100_000; i++) deep = { deep };
    return deep;
  },
};

const args: readonly unknown[] = [];
/** Fields of wrong types count as absent, so these run. */
const RUNNABLE_DATA: readonly unknown[] = [
  {},
  { args },
  { v: 'x', args },
  { v: 1, args, headers: 'x', root: 5, parent: {}, shadow: {}, propagate: 5 },
  { v: 1, args, headers: [], propagate: [5, null, {}] },
  { v: 1, args, headers: own('__proto__', { polluted: 1 }), propagate: ['__proto__', 'constructor'] },
  { v: 1, args, expires: 'soon', eta: 'later', soft: 'x', hard: null, retries: 'many' },
  { v: 1, args, hard: 1e300, soft: 1e300, expires: 1e300, retries: 1e300 },
  { v: 1, args, eta: -1e300 },
  { v: 1, args, id: 5 },
  { v: 1, args, revoked: 'yes', ignore: 'yes' },
  { v: 1, args, from: 'celeriac' },
  { v: 1, args, from: 'nowhere' },
  { v: 1, args, from: 5, tick: {}, unique: [], each: 'yes', input: 5, flow: 'x' },
  { v: 1, args, unique: 'id:any' },
  { v: 1, args, tried: { toString: 1 } },
  { v: 1, args, tried: -1e9, retries: null },
  { v: 1, args, flow: { group: 5, index: 'x' } },
  { v: 1, args, flow: { group: '__proto__', index: -1 }, input: { value: 1 } },
  { v: 1, args, input: { list: [{ value: 1 }, { list: [] }] } },
];
const RUNNABLE: ReadonlySet<unknown> = new Set(RUNNABLE_DATA);
const RAW_DATA: readonly unknown[] = [
  ...RUNNABLE_DATA,
  null,
  5,
  'text',
  true,
  [],
  [1, 2],
  { v: 99, args },
  { v: 1, args: null },
  { v: 1, args: 'text' },
  { v: 1, args: { length: 1 } },
  { v: 1, args: { $celeriac: 'nobody', value: [] } },
  { v: 1, args: { $celeriac: 'json', value: 5 } },
  { v: 1, args: { $celeriac: 'rich', value: 'garbage' } },
  { v: 1, args: { $celeriac: 'rich', value: [5] } },
  { v: 1, args: { $celeriac: '__proto__', value: [] } },
  { v: 1, args: { $celeriac: 'json', escaped: true, value: [own('\u2400d800', 1)] } },
  { v: 1, args, soft: -5, hard: -5 },
  { v: 1, args, expires: -1e300 },
  { v: 1, args, retries: -1 },
  { v: 1, args, revoked: { reason: 5 } },
  { v: 1, args, revoked: [] },
  own('__proto__', { args }),
  { v: 1, args: [own('__proto__', { polluted: 1 })] },
  ...[[1], [null], ['x'], [{}], [[1], 5]].map((lists) => ({ v: 1, args: lists, each: true })),
  ...[{ of: '0' }, { of: '__proto__' }, { list: 5 }, { list: [null] }, { request: 5, error: 5 }].flatMap(
    (input) => [
      { v: 1, args, input },
      { v: 1, args, input, flow: {} },
    ],
  ),
];
const nested = (open: string, close: string) => open.repeat(50_000) + close.repeat(50_000);
/** What BullMQ keeps with a job, as no version of it writes it. */
const UNREADABLE_FIELDS: readonly (readonly [string, string])[] = [
  ['opts', '{'],
  ['opts', 'null'],
  ['opts', 'nonsense'],
  ['parent', '{'],
  ['parent', 'x'],
  ['progress', '{'],
  ['ats', ''],
  ['ats', 'x'],
  ['atm', 'x'],
  ['stc', 'x'],
  ['rjk', 'nope'],
];

const UNREADABLE: readonly string[] = [
  '{',
  '\0',
  '{"v":1,"args":[',
  '\ufeff{"v":1,"args":[]}',
  '5',
  `{"v":1,"args":${nested('[', ']')}}`,
  `{"v":1,"args":[],"headers":{"a":${nested('[', ']')}},"escaped":1}`,
  `{"v":1,"args":[],"input":${nested('{"list":[', ']}')}}`,
  `{"v":1,"args":[],"unknown":${nested('[', ']')}}`,
  `{"v":1,"args":{"$celeriac":"json","escaped":true,"value":${nested('[', ']')}}}`,
];
const RAW_OPTIONS: readonly object[] = [
  { attempts: 3, backoff: { type: 'unheard-of', delay: 10 } },
  { attempts: 3, backoff: 10, delay: 10 },
  { priority: 7, lifo: true },
  { removeOnComplete: true, removeOnFail: true },
  { removeOnComplete: 1, keepLogs: 0, stackTraceLimit: 0 },
  { timestamp: 1 },
];
const RAW_PROGRESS: readonly unknown[] = [
  5,
  'text',
  true,
  [],
  [1],
  {},
  { state: 5 },
  { state: null, meta: 1 },
  { state: {}, meta: {} },
  { state: '' },
  { state: 'lower case \u2400' },
  { state: 'SUCCESS', meta: 1 },
  { state: 'PROGRESS', attempt: 'x' },
  { state: 'PROGRESS', attempt: 7 },
  { state: '__proto__', meta: own('__proto__', { polluted: 1 }) },
];
const RAW_RETURNS: readonly unknown[] = [
  undefined,
  null,
  0,
  '',
  'text',
  [],
  { $celeriac: 'undefined' },
  { $celeriac: 'nobody', value: 1 },
  { $celeriac: 'rich', value: 'garbage' },
  { $celeriac: 'rich', value: [5, 'x'] },
  { $celeriac: 'rich', value: { __proto__: 1 } },
  { $celeriac: 'json', value: own('__proto__', { polluted: 1 }) },
  { $celeriac: 'json', escaped: true, value: own('__proto__', { polluted: 1 }) },
  { $celeriac: 5, value: 1 },
  own('then', own('toJSON', 1)),
  own('__proto__', { polluted: 1 }),
];

function assertNoPollution(): void {
  assert.deepEqual(
    Reflect.ownKeys(Object.prototype).filter((key) =>
      Object.propertyIsEnumerable.call(Object.prototype, key),
    ),
    [],
  );
  assert.equal(({} as { polluted?: unknown }).polluted, undefined);
}

/** The app's worker still works, and nothing of the queue is left behind. */
async function assertAlive(t: TestContext, ground: Ground, made: TestApp): Promise<void> {
  const alive = made.app.task('alive', () => 'alive');
  assert.equal(await (await alive.delay()).get({ timeout: '20s' }), 'alive');
  await untilIdle(rawQueue(t, ground, made));
}

async function untilIdle(queue: Queue): Promise<void> {
  await until(async () => {
    const counts = await queue.getJobCounts('waiting', 'active', 'delayed', 'prioritized');
    return Object.values(counts).every((count) => count === 0);
  }, 'an empty queue');
}

async function drained(updates: AsyncIterable<unknown>): Promise<void> {
  for await (const update of updates) void update;
}

/** The queue as another BullMQ program sees it. */
function rawQueue(t: TestContext, ground: Ground, made: TestApp): Queue {
  const { factory, ...options } = rawBullmq(t, ground, made);
  const queue = new Queue('celeriac', options, factory);
  queue.on('error', () => undefined);
  t.after(() => queue.close());
  return queue;
}

/** A worker of another program, on the queue `raw`. */
function rawWorker(t: TestContext, ground: Ground, made: TestApp, run: (job: Job) => Promise<unknown>): void {
  const { factory, ...options } = rawBullmq(t, ground, made);
  const worker = new RawWorker('raw', run, { ...options, concurrency: 30 }, factory);
  worker.on('error', () => undefined);
  t.after(() => worker.close(true));
}

function rawBullmq(t: TestContext, ground: Ground, { prefix }: TestApp) {
  const engine = openEngine(ground.url, {
    prefix,
    connectTimeoutMs: 5000,
    migrate: true,
    onTrouble: () => undefined,
    onRecovered: () => undefined,
  });
  t.after(() => engine.close());
  const parts = engine.bullmq();
  return {
    connection: parts.connection as never,
    ...(parts.prefix !== undefined && { prefix: parts.prefix }),
    factory: parts.factory as never,
  };
}

function isStorable(text: string): boolean {
  return !text.includes('\0') && Buffer.from(text).toString() === text;
}

/** A task and a queue of each name work, or are refused where the name is written. */
async function assertNames(t: TestContext, ground: Ground, names: readonly string[], timeout = '20s') {
  const { app, twin, worker } = ground.app(t);
  const run = app.task('run', () => 'ran');
  const queues: string[] = [];
  const sent: string[] = [];
  for (const name of names) {
    const task = await orRefused(() => app.task(name, () => 'ran').delay());
    if (task !== undefined) sent.push(task.id);
    const queued = await orRefused(() => run.applyAsync([], { queue: name }));
    if (queued === undefined) continue;
    queues.push(name);
    sent.push(queued.id);
  }
  await worker({ queues: ['celeriac', ...queues] });
  const other = twin();
  for (const id of sent) assert.equal(await other.result(id).get({ timeout }), 'ran', id);
}

/** What a call gives, or nothing where it was refused by us. */
async function orRefused<T>(call: () => Promise<T>): Promise<T | undefined> {
  try {
    return await call();
  } catch (error) {
    assert.ok(error instanceof CeleriacError, String(error));
    return undefined;
  }
}

onEveryEngine(suite, ['redis', 'memory', 'postgres']);
