/**
 * Random workflows with random failures, links and errbacks, run by a real worker: they end as a small evaluator says, the
 * tasks that run are those it names, once each, and every part reads as it must.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type AsyncResult,
  Celeriac,
  ChordError,
  type Composable,
  type ComposableJson,
  TaskFailedError,
} from 'celeriac';
import fc from 'fast-check';
import { onEveryEngine, until, within } from '../support/app.js';
import {
  compose,
  type Expected,
  evaluate,
  Failure,
  type Shape,
  shapes,
  total,
} from '../support/random-flows.js';

const LONG = process.env.CELERIAC_CAMPAIGN === '1';
/** So many workflows run at a time. */
const TOGETHER = 6;

describe('a random workflow that runs here and now', () => {
  it('gives what a worker would have, and runs what it would have run, from its JSON too', async () => {
    const silent = () => undefined;
    const logger = { debug: silent, info: silent, warn: silent, error: silent };
    const app = new Celeriac('here', { broker: 'memory://', taskAlwaysEager: true, logger });
    let ran: string[] = [];
    const note = <V>(label: string, value: V) => {
      ran.push(label);
      return value;
    };
    const start = app.task('start', async (label: string) => note(label, 0));
    const add = app.task('add', async (input: unknown, n: number, label: string) =>
      note(label, total(input) + n),
    );
    const fail = app.task('fail', async (_input: unknown, _n: number, label: string): Promise<number> => {
      throw new RangeError(note(label, label));
    });
    const called = app.task('called', async (...given: unknown[]) => note(String(given.at(-1)), 1));
    const property = fc.asyncProperty(shapes, async (shape) => {
      ran = [];
      const flow = compose(shape, {
        start: () => start.s('start'),
        add: (n, label) => add.s(n, label),
        fail: (n, label) => fail.s(n, label),
        note: (label) => called.signature([label] as never) as unknown as Composable,
      });
      const json = JSON.parse(JSON.stringify(flow)) as ComposableJson;
      const again = app.signature(json);
      assert.deepEqual(JSON.parse(JSON.stringify(again)), json);
      const { outcome, ends } = evaluate(shape);
      const got = await (await again.delay()).get({ propagate: false });
      if (outcome instanceof Failure) assertFailure(got, outcome, ends);
      else assert.deepEqual(got, outcome);
      assert.deepEqual(ran.sort(), labelsThatRun(ends).sort());
    });
    await fc.assert(property, { numRuns: LONG ? 3000 : 100 });
    await app.close();
  });
});

describe('a random workflow', { timeout: LONG ? 3_600_000 : 200_000 }, () => {
  onEveryEngine((ground) => {
    it('ends as the evaluator says', async (t) => {
      const { app, worker } = ground.app(t);
      /** The labels of what ran, by workflow. */
      const ran = new Map<string, string[]>();
      const note = (label: string) => {
        const [flow = '', part = ''] = label.split(' ');
        ran.set(flow, [...(ran.get(flow) ?? []), part]);
        return part;
      };
      const start = app.task('start', async (label: string) => Number(note(label) === ''));
      const add = app.task('add', async (input: unknown, n: number, label: string) => {
        note(label);
        return total(input) + n;
      });
      const fail = app.task('fail', async (_input: unknown, _n: number, label: string): Promise<number> => {
        throw new RangeError(note(label));
      });
      // Links get a value before their label, errbacks a request and an error.
      const called = app.task('called', async (...given: unknown[]) => note(String(given.at(-1))));
      const noted = (label: string) => called.signature([label] as never) as unknown as Composable;
      await worker({ concurrency: 20 });
      let flows = 0;

      const check = async (shape: Shape): Promise<void> => {
        const flow = `${flows++}`;
        const tagged = (label: string) => `${flow} ${label}`;
        const composed = compose(shape, {
          start: () => start.s(tagged('start')),
          add: (n, label) => add.s(n, tagged(label)),
          fail: (n, label) => fail.s(n, tagged(label)),
          note: (label) => noted(tagged(label)),
        });
        const { outcome, ends } = evaluate(shape);
        const expected = labelsThatRun(ends);
        const sent = composed as Composable & { delay(): Promise<AsyncResult> };
        const result = await sent.delay();
        const got = await within(result.get({ propagate: false }), JSON.stringify(shape), 60_000);
        if (outcome instanceof Failure) assertFailure(got, outcome, ends);
        else assert.deepEqual(got, outcome);
        await until(() => (ran.get(flow)?.length ?? 0) >= expected.length, `the tasks ${expected}`);
        const idle = async () =>
          (await app.queues.list()).every(({ waiting, active }) => waiting + active === 0);
        await until(idle, 'an end');
        assert.deepEqual(ran.get(flow)?.sort(), expected.sort());
        const { nodes } = await result.graph();
        const count = (end: string[]) => [...ends.values()].filter((each) => end.includes(each)).length;
        const states = (state: string) => nodes.filter((node) => node.state === state).length;
        assert.deepEqual(
          [states('SUCCESS'), states('FAILURE'), nodes.length],
          [count(['ran']), count(['failed', 'failed before']), ends.size - count(['never called'])],
        );
      };

      const property = fc.asyncProperty(
        fc.array(shapes, { minLength: TOGETHER, maxLength: TOGETHER }),
        async (some) => void (await Promise.all(some.map(check))),
      );
      await fc.assert(property, { numRuns: LONG ? 300 : 6, endOnFailure: true });
      t.diagnostic(`${flows} workflows`);
    });
  });
});

function labelsThatRun(ends: Expected['ends']): string[] {
  return [...ends].filter(([, end]) => end === 'ran' || end === 'failed').map(([label]) => label);
}

function assertFailure(got: unknown, { chord }: Failure, ends: Expected['ends']): void {
  assert.ok(got instanceof TaskFailedError, String(got));
  assert.equal(got.cause instanceof ChordError, chord, String(got.cause));
  const cause: unknown = got.cause instanceof ChordError ? got.cause.cause : got.cause;
  assert.ok(cause instanceof RangeError, String(cause));
  assert.equal(ends.get(cause.message), 'failed');
}
