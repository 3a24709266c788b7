/**
 * Random workflows on the model of a broker, with a process killed at each of the writes there are: every task runs that
 * the evaluator says, none that it does not, none twice but the one in the dead process's hands, and every part reads as
 * it must, at the end and on the way.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ChordError, type Composable } from 'celeriac';
import fc from 'fast-check';
import type { StoredJob } from '#src/broker/broker.js';
import { PLAN } from '#src/broker/broker.js';
import { finalOf, leaves, nodeAt, type Plan, ROOT } from '#src/canvas/workflow/plan.js';
import { partId } from '#src/protocol/ids.js';
import { READY } from '#src/states.js';
import { randomFrom } from '../support/fault-plan.js';
import { Life, ModelBroker, ModelProcess, ModelReader } from '../support/flow-model.js';
import { compose, type End, evaluate, Failure, type Shape, shapes, total } from '../support/random-flows.js';

const LONG = process.env.CELERIAC_CAMPAIGN === '1';
const FLOW = 'modelmodel12-0';

/** Runs a shape; the caller or a worker dies at the `dieAt`th write of all. */
class Run {
  readonly broker = new ModelBroker();
  readonly #random: () => number;
  /** How often each task ran, by label. */
  readonly ran = new Map<string, number>();
  /** How often each task was in the hands of a process that died, by label. */
  readonly dropped = new Map<string, number>();
  readonly #reader = new ModelReader(this.broker);
  readonly #seen = new Map<string, string>();

  constructor(
    private readonly shape: Shape,
    seed: number,
    private readonly dieAt: number,
  ) {
    this.#random = randomFrom(seed);
  }

  /** @returns how many writes there were before the death, or in all; and whether anything was sent */
  async toTheEnd(): Promise<{ readonly writes: number; readonly accepted: boolean }> {
    const caller = this.#process(this.dieAt);
    await Promise.race([caller.send(compose(this.shape, tasksOf(caller))), caller.life.died]);
    let { writes } = caller.life;
    if (this.broker.jobs.size === 0) return { writes, accepted: false };
    let worker = this.#process(caller.life.dead ? undefined : this.dieAt - writes);
    for (let waiting = this.#pick(); waiting.length > 0; waiting = this.#pick()) {
      await Promise.race([Promise.all(waiting.map((job) => worker.run(job))), worker.life.died]);
      if (worker.life.dead) {
        writes += worker.life.writes;
        for (const job of this.broker.jobs.values()) {
          if (!job.running) continue;
          const label = labelOf(job);
          this.dropped.set(label, (this.dropped.get(label) ?? 0) + 1);
          this.broker.change(job.id, { running: false });
        }
        // The next one may not live long either.
        worker = this.#process(this.#random() < 0.3 ? 1 + Math.floor(this.#random() * 8) : undefined);
      }
      // Looking costs more than running: every fourth run is looked at on its way.
      if (this.dieAt % 4 === 0) await this.#look();
    }
    return { writes: writes + worker.life.writes, accepted: true };
  }

  /** Whether a process died. */
  #process(dieAt: number | undefined): ModelProcess {
    const life = new Life(() => Math.floor(this.#random() * 4), dieAt);
    return new ModelProcess(this.broker, life, (name, args) => this.#perform(name, args));
  }

  #perform(name: string, args: readonly unknown[]): unknown {
    const label = String(args.at(-1));
    this.ran.set(label, (this.ran.get(label) ?? 0) + 1);
    if (name === 'fail') return new RangeError(label);
    if (name === 'add') return total(args[0]) + Number(args[1]);
    return name === 'start' ? 0 : label;
  }

  /** Up to three of the jobs that wait, in any order. */
  #pick(): StoredJob[] {
    const waiting = this.broker.waiting();
    const count = Math.min(waiting.length, 1 + Math.floor(this.#random() * 3));
    return Array.from({ length: count }, () => {
      const [job] = waiting.splice(Math.floor(this.#random() * waiting.length), 1);
      return job as StoredJob;
    });
  }

  get plan(): Plan {
    return JSON.parse(this.broker.flows.get(FLOW)?.get(PLAN) ?? '') as Plan;
  }

  /** What ended stays as it ended. */
  async #look(): Promise<void> {
    for (const [label, state] of await this.states()) {
      const before = this.#seen.get(label);
      if (before !== undefined && READY.has(before)) assert.equal(state, before, `${label} changed`);
      this.#seen.set(label, state);
    }
  }

  /** The state of each task, by label; `unknown` for what nobody knows. */
  async states(): Promise<[label: string, state: string][]> {
    const parts = [...leaves(this.plan.root, ROOT, true)];
    const snapshots = await this.#reader.snapshots(
      parts.map(([path, { queue }]) => partId(FLOW, path, queue)),
    );
    return parts.map(([, { args }], i) => {
      const snapshot = snapshots[i];
      return [labelIn(args), snapshot?.known === true ? snapshot.state : 'unknown'];
    });
  }

  async whole() {
    const path = finalOf(this.plan.root, ROOT);
    const node = nodeAt(this.plan, path);
    const [whole] = await this.#reader.snapshots([
      partId(FLOW, path, node?.kind === 'task' ? node.queue : undefined),
    ]);
    return whole;
  }
}

function tasksOf(process: ModelProcess) {
  return {
    start: () => process.signature('start', ['start']),
    add: (n: number, label: string) => process.signature('add', [n, label]),
    fail: (n: number, label: string) => process.signature('fail', [n, label]),
    note: (label: string) => process.signature('note', [label]),
  } satisfies Record<string, (...args: never[]) => Composable>;
}

function labelOf(job: StoredJob): string {
  return labelIn((JSON.parse(job.data) as { args: unknown }).args);
}

function labelIn(args: unknown): string {
  return String((args as unknown[]).at(-1));
}

const STATES: Readonly<Record<End, string>> = {
  ran: 'SUCCESS',
  failed: 'FAILURE',
  'failed before': 'FAILURE',
  'never called': 'unknown',
};

async function check(run: Run, expected: ReturnType<typeof evaluate>): Promise<void> {
  const ran = (end: End) => end === 'ran' || end === 'failed';
  for (const [label, end] of expected.ends) {
    const times = run.ran.get(label) ?? 0;
    if (!ran(end)) assert.equal(times, 0, `${label} ran, and should not have: ${end}`);
    else assert.ok(times >= 1 && times <= 1 + (run.dropped.get(label) ?? 0), `${label} ran ${times} times`);
  }
  const states = new Map(await run.states());
  for (const [label, end] of expected.ends) assert.equal(states.get(label), STATES[end], `state of ${label}`);
  const whole = await run.whole();
  if (!(expected.outcome instanceof Failure)) return assert.deepEqual(whole?.value, expected.outcome);
  assert.equal(whole?.state, 'FAILURE');
  let cause: unknown = whole?.error?.cause;
  assert.equal(cause instanceof ChordError, expected.outcome.chord, `cause ${String(cause)}`);
  if (cause instanceof ChordError) cause = cause.cause;
  assert.ok(cause instanceof RangeError, String(cause));
  assert.equal(expected.ends.get(cause.message), 'failed');
}

describe('a random workflow', { timeout: LONG ? 3_600_000 : 120_000 }, () => {
  it('ends as the evaluator says, whichever write a process died at', async (t) => {
    let [deaths, flows] = [0, 0];
    const property = fc.asyncProperty(shapes, fc.integer(), async (shape, seed) => {
      const expected = evaluate(shape);
      flows++;
      for (let dieAt = 1; ; dieAt++) {
        const run = new Run(shape, seed, dieAt);
        const { writes, accepted } = await run.toTheEnd();
        if (accepted) await check(run, expected);
        if (writes < dieAt) break;
        deaths++;
      }
    });
    await fc.assert(property, { numRuns: Number(process.env.CELERIAC_RUNS ?? (LONG ? 500 : 15)) });
    t.diagnostic(`${flows} workflows, ${deaths} deaths`);
  });
});
