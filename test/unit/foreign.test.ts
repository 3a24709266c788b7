/** Code that is not ours fails in any way it likes: nothing else may. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { Celeriac, type Logger } from 'celeriac';
import { Listeners } from '#src/events/listeners.js';
import { callForeign } from '#src/foreign.js';
import { checkLogger, guarded, originOf } from '#src/options/logger.js';
import { leveled } from '#src/worker/log-level.js';

const refuse = (): never => {
  throw new Error('no');
};

/** Every way in which a call can fail. */
const HOSTILE: Readonly<Record<string, () => unknown>> = {
  'it throws': refuse,
  'it throws what is no error': () => {
    throw null;
  },
  'it rejects': async () => refuse(),
  'it rejects later': () => new Promise((_, reject) => setImmediate(() => reject(new Error('no')))),
  'its answer has a then that throws': () => Object.defineProperty({}, 'then', { value: refuse }),
  'its answer has a then that cannot be read': () => Object.defineProperty({}, 'then', { get: refuse }),
  'its answer is a thenable that rejects': () =>
    Object.defineProperty({}, 'then', {
      value: (_: unknown, reject: (error: Error) => void) => reject(new Error('no')),
    }),
};

const loggerOf = (line: () => unknown): Logger =>
  ({ debug: line, info: line, warn: line, error: line }) as Logger;
const turn = () => new Promise((resolve) => setImmediate(resolve));

for (const [how, hostile] of Object.entries(HOSTILE))
  describe(`Where foreign code fails: ${how}`, () => {
    it('its caller hears of it, once, and goes on', async () => {
      const heard: unknown[] = [];
      callForeign(hostile, (error) => heard.push(error));
      await turn();
      await turn();
      assert.equal(heard.length, 1);
    });

    it('a caller that fails as well is no reason to stop', async () => {
      callForeign(hostile, refuse);
      await turn();
      await turn();
    });

    it('a logger fails by itself, and says so once', async () => {
      const warned = once(process, 'warning');
      const logger = guarded(loggerOf(hostile));
      for (const level of ['debug', 'info', 'warn', 'error'] as const) logger[level]({}, 'line');
      const [warning] = (await warned) as [Error];
      assert.match(warning.message, /the logger fails/);
    });

    it('the next listener is told all the same', async () => {
      const listeners = new Listeners(
        () => guarded(loggerOf(hostile)),
        () => undefined,
      );
      let told = 0;
      listeners.add('worker-online', hostile);
      listeners.add('worker-online', () => told++);
      listeners.call({ type: 'worker-online' } as never);
      await turn();
      assert.equal(told, 1);
    });

    it('an app goes on: its logger is guarded where it comes in', async () => {
      const app = new Celeriac('hostile', {
        broker: 'redis://127.0.0.1:1',
        logger: loggerOf(hostile),
        taskAlwaysEager: true,
        publishRetry: 1,
      });
      await assert.rejects(app.sendTask('somewhere'), { code: 'BROKER_UNAVAILABLE' });
      await app.close();
    });
  });

describe('A guarded logger', () => {
  it('passes lines on as they are, and is guarded once', () => {
    const lines: unknown[] = [];
    const own = loggerOf(() => undefined);
    own.info = (...line) => void lines.push(line);
    const logger = guarded(own);
    logger.info({ a: 1 }, 'hello');
    assert.deepEqual(lines, [[{ a: 1 }, 'hello']]);
    assert.equal(guarded(logger), logger);
    assert.equal(originOf(logger), own);
    assert.equal(originOf(own), own);
  });

  it('tells the logger itself of its level, and bears a logger that refuses it', () => {
    const own = { ...loggerOf(() => undefined), level: 'info' };
    leveled(guarded(own)).setLevel('debug');
    assert.equal(own.level, 'debug');
    const stubborn = Object.defineProperty(
      loggerOf(() => undefined),
      'level',
      { get: () => 'info', set: refuse },
    );
    leveled(guarded(stubborn)).setLevel('debug');
    leveled(guarded(Object.freeze({ ...own }))).setLevel('error');
  });

  it('is refused where it has not the four methods, for a worker too', async () => {
    assert.throws(() => checkLogger({ info: refuse }, 'here'), { code: 'OPTION' });
    const app = new Celeriac('picky', { broker: 'redis://127.0.0.1:1' });
    assert.throws(() => app.worker({ logger: {} as Logger }), { code: 'OPTION' });
    await app.close();
  });
});
