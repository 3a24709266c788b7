import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { driveGenerator, type GeneratorHost } from '#src/streams/generator.js';
import { generatingWithin, isAsyncGenerator } from '#src/tasks/generating.js';

function host(sent: unknown[], late: () => Error | undefined = () => undefined): GeneratorHost {
  return { send: (chunk) => void sent.push(chunk), softLimit: late, state: 'runs' };
}

describe('A generator as a body', () => {
  it('sends what it yields, and gives what it returns', async () => {
    const sent: unknown[] = [];
    async function* body() {
      yield 1;
      yield undefined;
      return 'value';
    }
    assert.equal(await driveGenerator(body(), host(sent)), 'value');
    assert.deepEqual(sent, [1, undefined]);
  });

  it('waits while there is no room', async () => {
    let open: () => void = () => undefined;
    const room = new Promise<void>((resolve) => {
      open = resolve;
    });
    const steps: string[] = [];
    async function* body() {
      yield 1;
      steps.push('went on');
    }
    const run = driveGenerator(body(), { send: () => room, softLimit: () => undefined, state: 'runs' });
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(steps, []);
    open();
    await run;
    assert.deepEqual(steps, ['went on']);
  });

  it('gets the error of a chunk at its yield, and may go on', async () => {
    const sent: unknown[] = [];
    async function* body() {
      try {
        yield 'bad';
      } catch (error) {
        yield error instanceof RangeError;
      }
    }
    const send = (chunk: unknown) => {
      if (chunk === 'bad') throw new RangeError('bad');
      sent.push(chunk);
      return undefined;
    };
    await driveGenerator(body(), { send, softLimit: () => undefined, state: 'runs' });
    assert.deepEqual(sent, [true]);
  });

  it('gets return() at the first yield after its soft limit, and ends with that error', async () => {
    const sent: unknown[] = [];
    const late = new Error('late');
    let cleaned = false;
    async function* body() {
      try {
        yield 1;
        yield 2;
      } finally {
        cleaned = true;
      }
    }
    const limits = [undefined, late];
    await assert.rejects(
      driveGenerator(
        body(),
        host(sent, () => limits.shift()),
      ),
      late,
    );
    assert.deepEqual([sent, cleaned], [[1], true]);
  });

  it('ends with its soft limit although its finally hangs, or throws', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const late = new Error('late');
    const ends = [() => new Promise(() => undefined), () => Promise.reject(new Error('in finally'))];
    for (const end of ends) {
      async function* body() {
        try {
          yield 1;
        } finally {
          await end();
        }
      }
      const run = driveGenerator(
        body(),
        host([], () => late),
      );
      const rejected = assert.rejects(run, late);
      await new Promise((resolve) => setImmediate(resolve));
      t.mock.timers.tick(1000);
      await rejected;
    }
  });

  it('is asked for nothing more once its task is over, and never comes back from a wait', async () => {
    for (const state of ['ended', 'parked'] as const) {
      let asked = 0;
      async function* body() {
        try {
          for (;;) yield ++asked;
        } finally {
          asked = -1;
        }
      }
      const there: GeneratorHost = { state: 'runs', softLimit: () => undefined, send: () => undefined };
      const changing = {
        ...there,
        send: () => {
          if (asked === 3) Object.assign(changing, { state });
          return undefined;
        },
      };
      let settled = false;
      void driveGenerator(body(), changing).then(() => {
        settled = true;
      });
      await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual([asked, settled], [3, state === 'ended']);
    }
  });

  it('is known among other values, and can be bound to a context', async () => {
    async function* body() {
      yield 1;
    }
    function* plain() {
      yield 1;
    }
    assert.equal(isAsyncGenerator(body()), true);
    for (const other of [plain(), [1], undefined, null, 'text', Promise.resolve(body()), body])
      assert.equal(isAsyncGenerator(other), false);
    let inside = 0;
    const bound = generatingWithin(body(), (step) => {
      inside++;
      return step();
    });
    const chunks: unknown[] = [];
    for await (const chunk of bound) chunks.push(chunk);
    assert.deepEqual([chunks, inside], [[1], 2]);
  });
});
