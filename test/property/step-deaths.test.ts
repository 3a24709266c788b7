/**
 * Random tasks of steps, sleeps and waits on the model of a broker, with a process killed at each of the writes there
 * are: every step's stored value stays, no accepted value is lost, no sleep ends early, and every task comes to its end.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { StepContext } from '#src/tasks/step-context.js';
import { randomFrom } from '../support/fault-plan.js';
import { Life } from '../support/flow-model.js';
import { StepBroker, StepProcess } from '../support/step-model.js';

const LONG = process.env.CELERIAC_CAMPAIGN === '1';

type Op =
  | { readonly kind: 'step' }
  | { readonly kind: 'sleep'; readonly ms: number }
  | { readonly kind: 'wait'; readonly timeoutMs: number | undefined }
  /** Two waits at once, and a step beside them. */
  | { readonly kind: 'both' };

const ops: fc.Arbitrary<Op[]> = fc.array(
  fc.oneof(
    fc.constant<Op>({ kind: 'step' }),
    fc.integer({ min: 0, max: 500 }).map((ms): Op => ({ kind: 'sleep', ms })),
    fc
      .option(fc.integer({ min: 1, max: 500 }), { nil: undefined })
      .map((timeoutMs): Op => ({ kind: 'wait', timeoutMs })),
    fc.constant<Op>({ kind: 'both' }),
  ),
  { minLength: 1, maxLength: 5 },
);

/** Runs one task to its end; a process dies at the `dieAt`th write of all. */
class Run {
  readonly broker = new StepBroker();
  readonly #random: () => number;
  readonly effects = new Map<string, number>();
  readonly #sent = new Map<string, number>();
  /** What may still be sent, by name. */
  readonly #unsent: string[];
  deaths = 0;
  #writes = 0;

  constructor(
    private readonly plan: readonly Op[],
    seed: number,
    private readonly dieAt: number,
  ) {
    this.#random = randomFrom(seed);
    this.#unsent = plan.flatMap((op, i) => {
      if (op.kind === 'both') return [`${i} a`, `${i} b`];
      return op.kind === 'wait' && (op.timeoutMs === undefined || i % 2 === 0) ? [`${i}`] : [];
    });
  }

  /** @returns how many writes there were */
  async toTheEnd(): Promise<number> {
    const { broker } = this;
    for (let turns = 0; broker.job.doneAt === undefined; turns++) {
      assert.ok(
        turns < 2000,
        `stuck: ${JSON.stringify({ job: broker.job, dueAt: broker.dueAt, now: broker.now })}`,
      );
      const acts: Promise<void>[] = [];
      if (broker.waiting) acts.push(this.#act((process) => process.run((steps) => this.#body(steps)), true));
      if (this.#unsent.length > 0 && this.#random() < 0.4) acts.push(this.#send());
      if (this.#random() < 0.2) acts.push(this.#act((process) => process.look()));
      await Promise.all(acts);
      if (acts.length > 0) continue;
      // Nothing is left to do now: time passes, up to the next thing that is due; never past a task that must be woken.
      broker.now += this.#unsent.length > 0 ? 20 : 100;
      if (this.#unsent.length === 0 && broker.wakeAt === undefined && broker.dueAt !== undefined)
        broker.now = Math.max(broker.now, this.#mayJump() ? broker.dueAt : broker.now);
    }
    return this.#writes;
  }

  /** A wait for what was accepted must not depend on its far end. */
  #mayJump(): boolean {
    return (this.broker.dueAt ?? 0) - this.broker.now < 10_000;
  }

  async #send(): Promise<void> {
    const name = this.#unsent.splice(Math.floor(this.#random() * this.#unsent.length), 1)[0] ?? '';
    const value = Math.floor(this.#random() * 1000);
    const before = this.broker.fields.has(`w:${name}`);
    await this.#act(async (process) => {
      const { accepted } = await process.send(name, value);
      if (accepted) this.#sent.set(name, value);
    });
    const text = this.broker.fields.get(`w:${name}`);
    // A sender that died may have sent it, or not: another tries again.
    if (text === undefined) this.#unsent.push(name);
    else if (!before && 'v' in (JSON.parse(text) as object))
      this.#sent.set(name, (JSON.parse(text) as { v: number }).v);
  }

  async #act(what: (process: StepProcess) => Promise<void>, worker = false): Promise<void> {
    const life = new Life(
      () => Math.floor(this.#random() * 3),
      Math.max(0, this.dieAt - this.#writes) || undefined,
    );
    await Promise.race([what(new StepProcess(this.broker, life)), life.died]);
    this.#writes += life.writes;
    if (!life.dead) return;
    this.deaths++;
    if (worker) this.broker.stall();
  }

  async #body(steps: StepContext): Promise<unknown[]> {
    const values: unknown[] = [];
    const effect = (name: string) => () => {
      const count = (this.effects.get(name) ?? 0) + 1;
      this.effects.set(name, count);
      return count;
    };
    for (const [i, op] of this.plan.entries()) {
      const name = `${i}`;
      if (op.kind === 'step') values.push(await steps.step(name, effect(name)));
      else if (op.kind === 'sleep') {
        await steps.sleep(name, op.ms);
        const { s, u } = JSON.parse(this.broker.fields.get(`s:${name}`) ?? '') as { s: number; u: number };
        assert.equal(u - s, op.ms);
        assert.ok(this.broker.now >= u, 'a sleep ended early');
      } else if (op.kind === 'wait') {
        const timeout = op.timeoutMs === undefined ? {} : { timeout: op.timeoutMs };
        values.push(await steps.waitFor(name, timeout).catch((error: Error) => error.name));
      } else {
        const [a, b, c] = [`${name} a`, `${name} b`, `${name} c`];
        values.push(await Promise.all([steps.waitFor(a), steps.step(c, effect(c)), steps.waitFor(b)]));
      }
    }
    return values;
  }

  check(): void {
    const values = JSON.parse(this.broker.job.returnvalue ?? 'null') as unknown[];
    const expected = this.plan.flatMap((op, i): unknown[] => {
      const stored = (field: string) =>
        JSON.parse(this.broker.fields.get(field) ?? '') as { v: unknown; t?: number };
      if (op.kind === 'sleep') return [];
      if (op.kind === 'step') return [stored(`s:${i}`).v];
      if (op.kind === 'both')
        return [[this.#sent.get(`${i} a`), stored(`s:${i} c`).v, this.#sent.get(`${i} b`)]];
      const answer = stored(`w:${i}`);
      return ['t' in answer ? 'WaitTimeoutError' : this.#sent.get(`${i}`)];
    });
    assert.deepEqual(values, expected);
    for (const [name, count] of this.effects)
      assert.ok(count <= 1 + this.deaths, `${name} ran ${count} times`);
  }
}

describe('a random task of steps', { timeout: LONG ? 3_600_000 : 120_000 }, () => {
  it('comes to its end, whichever write a process died at', async (t) => {
    let [deaths, tasks] = [0, 0];
    const property = fc.asyncProperty(ops, fc.integer(), async (plan, seed) => {
      tasks++;
      for (let dieAt = 1; ; dieAt++) {
        const run = new Run(plan, seed, dieAt);
        const writes = await run.toTheEnd();
        run.check();
        deaths += run.deaths;
        if (writes < dieAt) break;
      }
    });
    await fc.assert(property, { numRuns: Number(process.env.CELERIAC_RUNS ?? (LONG ? 2000 : 60)) });
    t.diagnostic(`${tasks} tasks, ${deaths} deaths`);
  });
});
