/**
 * Many streams, each read by two processes: one that comes late, and one that is killed and goes on by index. A larger form
 * runs with CELERIAC_CAMPAIGN=1.
 */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { type Ground, onEveryEngine, type Program, startProgram, until } from '../support/app.js';

const READER = new URL('./programs/stream-reader.js', import.meta.url);
const [STREAMS, CHUNKS] = process.env.CELERIAC_CAMPAIGN === undefined ? [40, 400] : [1000, 1000];
const PATIENCE_MS = process.env.CELERIAC_CAMPAIGN === undefined ? 120_000 : 1_800_000;

/** A process that reads all streams, and how far it came in each. */
class Reader {
  readonly next: Map<string, number>;
  readonly #program: Program;

  constructor(t: TestContext, ground: Ground, prefix: string, from: ReadonlyMap<string, number>) {
    this.next = new Map(from);
    this.#program = startProgram(t, READER, [ground.url, prefix]);
    this.#program.child.on('message', (message: { id?: string; next?: number }) => {
      if (message.id !== undefined && message.next !== undefined) this.next.set(message.id, message.next);
    });
  }

  async begin(): Promise<void> {
    await this.#program.message((message) => message === 'ready', PATIENCE_MS);
    this.#program.send({ streams: [...this.next] });
  }

  /** Kills it in the middle. */
  async kill(): Promise<void> {
    this.#program.child.kill('SIGKILL');
    await this.#program.ended;
  }

  async ended(): Promise<void> {
    const code = await this.#program.ended;
    assert.deepEqual(
      this.#program.messages.filter((message) => Reflect.has(Object(message), 'wrong')),
      [],
    );
    assert.equal(code, 0, this.#program.output());
    assert.deepEqual(new Set(this.next.values()), new Set([CHUNKS]));
  }
}

describe('many streams', { timeout: PATIENCE_MS * 2 }, () => {
  onEveryEngine(
    (ground) => {
      it('give each of two processes every chunk once and in order', async (t) => {
        if (ground.engine === 'memory') return t.skip('no other process can read it');
        const { app, prefix, worker } = ground.app(t);
        let ended = 0;
        const count = app.task('count', async function* (n: number) {
          for (let i = 0; i < n; i++) yield i;
          ended++;
          return n;
        });
        const sent = await Promise.all(Array.from({ length: STREAMS }, () => count.delay(CHUNKS)));
        const all = new Map(sent.map(({ id }) => [id, 0]));
        const doomed = new Reader(t, ground, prefix, all);
        await doomed.begin();
        const late = new Reader(t, ground, prefix, all);
        await worker({ concurrency: 20 });
        await until(() => ended >= STREAMS / 2, 'half of the tasks', PATIENCE_MS);
        await late.begin();
        await doomed.kill();
        const resumed = new Reader(t, ground, prefix, doomed.next);
        await resumed.begin();
        await Promise.all([late.ended(), resumed.ended()]);
      });
    },
    ['redis', 'cluster', 'postgres'],
  );
});
