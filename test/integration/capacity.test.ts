/**
 * A worker has the slots it says it has, after every kind of task and workflow there is. Tasks end well on fewer slots
 * too, so each test asks afterwards whether as many as before really run at once, and whether `stats` says the same.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Celeriac, chain, chord, group, Reject } from 'celeriac';
import { Counter, gate, onEveryEngine, pause, until, within } from '../support/app.js';

const SLOTS = 6;
/** How often each kind is run; with CELERIAC_CAMPAIGN a few hundred times. */
const ROUNDS = process.env.CELERIAC_CAMPAIGN === undefined ? 6 : 300;

type Once = () => Promise<unknown>;

/** Anything that has an end. */
interface Sent {
  get(options: { timeout: string; propagate: false }): Promise<unknown>;
}

describe('The slots of a worker after', () => {
  onEveryEngine(
    (ground) => {
      it('every kind of task and workflow are as many as before', async (t) => {
        const { app, worker } = ground.app(t, { lockDuration: '2s', serializer: 'json' });
        const kinds = kindsOf(app);
        const full = fullHouse(app);
        const { node } = await worker({ concurrency: SLOTS });
        const used = async (): Promise<unknown> => {
          const stats = (await app.inspect({ timeout: '10s' }).stats())[node];
          return stats !== undefined && 'slots' in stats ? stats.slots : stats;
        };
        for (const [kind, once] of Object.entries(kinds)) {
          for (let i = 0; i < ROUNDS; i += 3) await Promise.all([once(), once(), once()]);
          const release = await full(kind);
          assert.deepEqual(await used(), { size: SLOTS, used: SLOTS, free: 0 }, kind);
          await release();
        }
        await until(
          async () => ((await used()) as { used?: number }).used === 0,
          'a worker that uses none of its slots',
        );
      });
    },
    ['redis', 'memory', 'postgres'],
  );
});

/** Fills the worker, and says when it did not get full. */
function fullHouse(app: Celeriac) {
  let inside = new Counter();
  let door = gate();
  const stay = app.task('stay', async () => {
    inside.add();
    await door.opened;
  });
  return async (kind: string) => {
    inside = new Counter();
    door = gate();
    const sent = await Promise.all(Array.from({ length: SLOTS }, () => stay.delay()));
    await inside.reached(SLOTS).catch((error: Error) => assert.fail(`after ${kind}: ${error.message}`));
    return async () => {
      door.open();
      await Promise.all(sent.map((result) => result.get({ timeout: '20s' })));
    };
  };
}

function kindsOf(app: Celeriac): Readonly<Record<string, Once>> {
  const id = app.task('id', async (value: unknown) => value);
  const fail = app.task('fail', { maxRetries: 0 }, async (_value?: unknown) => {
    throw new TypeError('as it should');
  });
  const again = app.task('again', { retryBackoff: 1, retryJitter: false }, async function (value: unknown) {
    if (this.request.retries < 1) this.retry({ countdown: 5 });
    return value;
  });
  const atOnce = app.task('at-once', async function (value: unknown) {
    if (this.request.retries < 2) this.retry({ countdown: 0 });
    return value;
  });
  const swap = app.task('swap', async function (value: unknown): Promise<unknown> {
    return this.replace(id.si(value));
  });
  const swapForChain = app.task('swap-for-chain', async function (value: unknown): Promise<unknown> {
    return this.replace(chain(id.si(value), swap.s()));
  });
  const late = app.task('late', { timeLimit: 20 }, () => pause(100));
  const soft = app.task('soft', { softTimeLimit: 10 }, async function () {
    await new Promise((_, reject) => {
      this.signal.addEventListener('abort', () => reject(this.signal.reason as Error));
    });
  });
  const more = app.task('more', async function (value: unknown) {
    await this.addToGroup(id.si(value));
    return value;
  });
  const reject = app.task('reject', async () => {
    throw new Reject('no');
  });
  const keyed = app.task(
    'keyed',
    { concurrency: { key: (value: unknown) => `${value}`, limit: 1 } },
    async (value: unknown) => value,
  );
  const alone = app.task('alone', { concurrency: { limit: 1 } }, async (value: unknown) => value);
  const limited = app.task('limited', { rateLimit: '500/s' }, async (value: unknown) => value);
  const big = app.task('big', async () => 1n as unknown);
  const waiting = app.task('waiting', async function () {
    await new Promise((_, reject) => {
      this.signal.addEventListener('abort', () => reject(this.signal.reason as Error));
    });
  });
  const ended = (result: Sent) =>
    within(
      result.get({ timeout: '20s', propagate: false }).catch(() => undefined),
      'an end',
    );
  const all = (...sent: Promise<Sent>[]) => Promise.all(sent.map(async (one) => ended(await one)));
  const sent = async (workflow: { delay(): Promise<Sent> }) => ended(await workflow.delay());
  const terminated = async (result: Sent & { revoke(options: { terminate: true }): Promise<unknown> }) => {
    await result.revoke({ terminate: true });
    await ended(result);
  };
  return {
    'tasks that succeed, fail and are refused': () =>
      all(id.delay(1), fail.delay(), reject.delay(), big.delay()),
    'retries, soon and at once': () => all(again.delay(1), again.delay(2), atOnce.delay(3)),
    'delayed and expired tasks': () =>
      all(id.applyAsync([1], { countdown: 5 }), id.applyAsync([1], { expires: 1, countdown: 5 })),
    'time limits': () => all(late.delay(), soft.delay()),
    'limited rates and concurrency': () =>
      all(limited.delay(1), keyed.delay(1), keyed.delay(1), keyed.delay(2), alone.delay(1), alone.delay(2)),
    'tasks with own ids': () =>
      all(id.applyAsync([1], { taskId: `own-${Math.random()}`, priority: 3 }) as Promise<Sent>),
    'revoked tasks': async () => terminated(await waiting.delay()),
    chains: () => sent(chain(id.s(1), again.s(), id.s())),
    'chains whose step fails': () => sent(chain(id.s(1), fail.s(), id.s())),
    chords: () => sent(chord([id.s(1), again.s(2), id.s(3)], id.s())),
    'chords whose member fails': () => sent(chord([id.s(1), fail.s(), id.s(3)], id.s())),
    groups: () => sent(group(id.s(1), id.s(2))),
    'replaced tasks': () => sent(chain(swap.s(1), id.s())),
    'tasks replaced twice over': () => sent(swapForChain.s(1)),
    'members that join': () => sent(chord([more.s(1), more.s(2)], id.s())),
    'limits in a chain': () => sent(chain(late.si(), id.s())),
    'revoked workflows': async () => terminated(await chain(waiting.s(), id.s()).delay()),
  };
}
