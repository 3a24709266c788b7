import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { NotSerializableError, OptionError, SoftTimeLimitExceeded } from '#src/errors.js';
import type { Delivery } from '#src/queue/delivery.js';
import type { CallHost } from '#src/worker/run/call-host.js';
import { RunningCall } from '#src/worker/run/running-call.js';

interface Line {
  readonly level: string;
  readonly message: string;
  readonly error: unknown;
}

function runningCall(change: Partial<Delivery> = {}) {
  const lines: Line[] = [];
  const saved: unknown[] = [];
  const write = (level: string) => (fields: object, message: string) =>
    void lines.push({ level, message, error: Reflect.get(fields, 'error') });
  const host: CallHost = {
    node: 'node@here',
    app: {} as never,
    stopping: false,
    logger: { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') },
  };
  const delivery = {
    taskId: 'id',
    jobId: 'id',
    name: 'mail',
    queue: 'celeriac',
    retries: 0,
    message: { v: 1, args: [] },
    saveProgress: async (progress: object) => void saved.push(progress),
    afterwards: () => undefined,
    ...change,
  } as unknown as Delivery;
  const call = new RunningCall(delivery, host, [], { softMs: undefined, hardMs: undefined });
  return { call, lines, saved };
}

/** Rejections nobody handled: each ends a process. */
function unhandled(t: TestContext): unknown[] {
  const seen: unknown[] = [];
  const note = (error: unknown) => void seen.push(error);
  process.on('unhandledRejection', note);
  t.after(() => process.off('unhandledRejection', note));
  return seen;
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('What a task does not await', () => {
  it('does not end the process when it rejects, and is logged', async (t) => {
    const seen = unhandled(t);
    const { call, lines } = runningCall({
      saveProgress: async () => {
        throw new Error('the broker is away');
      },
    });
    void call.updateState('P', Number.NaN);
    void call.updateState('not a state');
    void call.updateState('P', { fine: true });
    void call.addToGroup({} as never);
    await turn();
    await turn();
    assert.deepEqual(seen, []);
    assert.deepEqual(lines.map(({ level, message }) => `${level} ${message}`).sort(), [
      'warn addToGroup() of mail did nothing',
      ...Array(3).fill('warn updateState() of mail did nothing'),
    ]);
    assert(lines.some(({ error }) => error instanceof NotSerializableError));
  });

  it('still rejects for whoever awaits it', async () => {
    const { call, saved } = runningCall();
    await assert.rejects(call.updateState('P', Number.NaN), NotSerializableError);
    await assert.rejects(call.updateState('p'), OptionError);
    await call.updateState('P', 1);
    assert.deepEqual(saved, [{ state: 'P', meta: 1 }]);
  });

  it('says nothing of a soft limit, which is what the task hears next', async (t) => {
    const seen = unhandled(t);
    const { call, lines } = runningCall();
    call.abort(new SoftTimeLimitExceeded('over'));
    void call.updateState('P');
    await turn();
    await turn();
    assert.deepEqual([seen, lines], [[], []]);
    await assert.rejects(call.updateState('P'), SoftTimeLimitExceeded);
  });
});
