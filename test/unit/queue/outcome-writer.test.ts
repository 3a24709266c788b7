import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OutcomeWriter } from '#src/queue/outcome-writer.js';
import { Run } from '#src/queue/run.js';
import type { Settlement } from '#src/queue/settlement.js';
import { SlotAccount, Slots } from '#src/queue/slots.js';

interface Call {
  readonly name: string;
  readonly args: readonly unknown[];
}

/** A writer over a backend whose answers are given in order; the last one stays. */
function setUp(answers: readonly unknown[] = ['yes'], over: Partial<Record<string, unknown>> = {}) {
  const calls: Call[] = [];
  const notices: boolean[] = [];
  const errors: Error[] = [];
  const pauses: number[] = [];
  const backend = new Proxy(
    {},
    {
      get:
        (_, name) =>
        async (...args: unknown[]) => {
          calls.push({ name: String(name), args });
          const answer = answers[Math.min(calls.length, answers.length) - 1];
          if (answer instanceof Error) throw answer;
          return { result: ['next'], finishedOn: 1 };
        },
    },
  );
  const writer = new OutcomeWriter({
    backend: () => backend as never,
    copyTo: async () => undefined,
    change: async (_run, change) => void calls.push({ name: 'change', args: [change] }),
    retryIn: async (_run, place) => void calls.push({ name: 'retryIn', args: [place] }),
    isUnavailable: (error) => /closed/.test(String(error)),
    noticeFirst: false,
    notify: (_run, completed) => notices.push(completed),
    delaysAndFetches: true,
    abandoned: () => calls.length > 20,
    salvage: async () => undefined,
    pause: async (ms) => void pauses.push(ms),
    onError: (error) => errors.push(error),
    ...over,
  });
  const account = new SlotAccount(new Slots(1));
  const slot = account.take();
  assert(slot !== undefined);
  const job = { id: 'j', name: 'mail', data: { v: 1, args: [] }, opts: {}, attemptsMade: 0 };
  const host = { signals: () => ({}) as never, onProgress: () => undefined };
  const run = new Run(
    job as never,
    'token',
    slot,
    account,
    { release: () => undefined },
    undefined,
    'q',
    host,
  );
  const write = (settlement: Settlement) => writer.write(run, settlement, () => true);
  return { calls, notices, errors, pauses, run, write, writer };
}

const coded = (code: unknown, message = 'no') => Object.assign(new Error(message), { code });
const READONLY = Object.assign(new Error('READONLY You cannot write'), { name: 'ReplyError' });
const complete: Settlement = { kind: 'complete', value: 42, keep: true, quiet: false };

describe('How a task ended is written', () => {
  it('by one step of BullMQ’s each, and what came with it is handed on', async () => {
    const cases: readonly [Settlement, string][] = [
      [complete, 'moveToCompleted'],
      [{ kind: 'fail', message: 'm', stack: 's', keep: true }, 'moveToFailed'],
      [{ kind: 'retry', delayMs: 5, message: 'm', stack: 's' }, 'moveToDelayed'],
      [{ kind: 'retry', delayMs: 0, message: 'm', stack: 's' }, 'retryJob'],
      [{ kind: 'wait', delayMs: 5, stack: 's' }, 'moveToDelayed'],
      [{ kind: 'postpone', delayMs: 5 }, 'moveToDelayed'],
      [{ kind: 'release' }, 'moveJobFromActiveToWait'],
      [{ kind: 'move', lane: 'q~mail' }, 'moveToCompleted'],
    ];
    for (const [settlement, name] of cases) {
      const { calls, write } = setUp();
      await write(settlement);
      assert.deepEqual(
        calls.map((call) => call.name),
        [name],
        settlement.kind,
      );
    }
    const { calls, write } = setUp();
    assert.deepEqual(await write(complete), ['next']);
    assert.equal(await write({ kind: 'abandon' }), undefined);
    assert.equal(calls.length, 1, 'nothing is written of what is not ours');
  });

  it('again, whatever the broker says of itself, and never as its error', async () => {
    for (const error of [READONLY, coded('57014'), coded('ECONNRESET'), new Error('Connection is closed.')]) {
      const { calls, notices, write } = setUp([error, error, error, 'yes']);
      assert.deepEqual(await write(complete), ['next']);
      assert.deepEqual(
        calls.map(({ name, args }) => [name, args[1]]),
        Array(4).fill(['moveToCompleted', 42]),
      );
      assert.deepEqual(notices, [true]);
    }
  });

  it('after pauses that grow', async () => {
    const { pauses, write } = setUp([READONLY]);
    await write(complete);
    assert.deepEqual(pauses.slice(0, 6), [50, 100, 200, 400, 800, 1000]);
  });

  it('no more once it is gone: the first time it is another’s, later an earlier try got through', async () => {
    for (const [answers, done] of [
      [[coded(-6)], 0],
      [[coded(-2)], 0],
      [[READONLY, coded(-2)], 1],
    ] as const) {
      const { run, write, writer } = setUp(answers);
      let afterwards = 0;
      run.afterwards(async () => void afterwards++);
      assert.equal(await write(complete), undefined);
      await writer.finished();
      assert.equal(afterwards, done);
    }
  });

  it('as a failure that says so, where it can never be stored; and no further', async () => {
    const tooLarge = coded('54000', 'string too long to represent as jsonb string');
    const { calls, errors, write } = setUp([tooLarge, 'yes']);
    await write(complete);
    assert.deepEqual(
      calls.map(({ name }) => name),
      ['moveToCompleted', 'moveToFailed'],
    );
    assert.match(String(calls[1]?.args[1]), /cannot store how this task ended: string too long/);
    assert.match(errors[0]?.message ?? '', /refused to store how mail/);
    const always = setUp([tooLarge]);
    await always.write(complete);
    assert.equal(always.calls.length, 3, 'the value, the error, the bare word');
  });

  it('with one line where it is no outage', async () => {
    const { errors, write } = setUp([READONLY, READONLY, 'yes']);
    await write(complete);
    assert.equal(errors.length, 1);
    const away = setUp([new Error('Connection is closed.'), 'yes']);
    await away.write(complete);
    assert.equal(away.errors.length, 0, 'told elsewhere');
  });

  it('and no more than once where the consumer is abandoned', async () => {
    const { calls, write } = setUp([READONLY], { abandoned: () => true });
    assert.equal(await write(complete), undefined);
    assert.equal(calls.length, 1);
  });

  it('not at all where the job may be another’s, and nothing follows', async () => {
    const { calls, run, write, writer } = setUp();
    let afterwards = 0;
    run.afterwards(async () => void afterwards++);
    assert.equal(await write({ kind: 'abandon' }), undefined);
    await writer.finished();
    assert.deepEqual([calls.length, afterwards], [0, 0]);
  });

  it('once where the answer was lost and what came with it is found again', async () => {
    for (const noticeFirst of [true, false]) {
      const salvage = async () => ['found'];
      const { calls, notices, run, write, writer } = setUp([READONLY], { salvage, noticeFirst });
      let afterwards = 0;
      run.afterwards(async () => void afterwards++);
      assert.deepEqual(await write(complete), ['found']);
      await writer.finished();
      assert.deepEqual([calls.length, notices, afterwards], [1, [true], 1], String(noticeFirst));
    }
  });

  it('with its notice in the same step where the broker keeps their order, else after it', async () => {
    for (const noticeFirst of [true, false]) {
      const { notices, write } = setUp(['yes'], { noticeFirst });
      const writing = write(complete);
      assert.equal(notices.length, noticeFirst ? 1 : 0);
      await writing;
      assert.deepEqual(notices, [true]);
    }
  });

  it('and known to be quiet where nobody waits for it', async () => {
    for (const quiet of [true, false]) {
      const { run, write } = setUp();
      await write({ ...complete, quiet });
      assert.equal(run.quiet, quiet);
    }
  });

  it('before what follows it, all of which is waited for, whatever fails of it', async () => {
    const { calls, errors, run, write, writer } = setUp();
    let end: () => void = () => undefined;
    const long = new Promise<void>((resolve) => (end = resolve));
    run.afterwards(() => Promise.reject(new Error('no key')));
    run.afterwards(() => (calls.length === 1 ? long : assert.fail('not written yet')));
    await write(complete);
    let over = false;
    const finished = writer.finished().then(() => (over = true));
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual([over, errors.map(({ message }) => message)], [false, ['no key']]);
    end();
    await finished;
  });

  it('with nothing fetched where delaying and fetching are two steps', async () => {
    const { calls, write } = setUp(['yes'], { delaysAndFetches: false });
    await write({ kind: 'retry', delayMs: 5, message: 'm', stack: 's' });
    assert.deepEqual((calls[0]?.args[4] as { fetchNext?: boolean } | undefined)?.fetchNext, false);
  });

  it('comes back later when it cannot be copied into its lane, and fails when it never can', async () => {
    const later = setUp(['yes'], { copyTo: () => Promise.reject(READONLY) });
    await later.write({ kind: 'move', lane: 'q~mail' });
    assert.equal(later.calls[0]?.name, 'moveToDelayed');
    const never = setUp(['yes'], { copyTo: () => Promise.reject(new RangeError('too deep')) });
    await never.write({ kind: 'move', lane: 'q~mail' });
    assert.equal(never.calls[0]?.name, 'moveToFailed');
  });
});
