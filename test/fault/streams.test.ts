/**
 * Many streams, each read by two processes: one that comes late, and one that is killed and goes on by index. On the
 * embedded engine the readers are apps of one process. A larger form runs with CELERIAC_CAMPAIGN=1.
 */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { Celeriac } from 'celeriac';
import { type Ground, onEveryEngine, type Program, startProgram, until } from '../support/app.js';
import { type Heard, readStreams } from '../support/read-streams.js';

const READER = new URL('./programs/stream-reader.js', import.meta.url);
const LONG = process.env.CELERIAC_CAMPAIGN !== undefined;
const PATIENCE_MS = LONG ? 1_800_000 : 120_000;

/** How many streams, and chunks in each: an embedded database is slower than a server, and needs fewer to be seen at work. */
function sizeOn({ engine }: Ground): readonly [streams: number, chunks: number] {
  if (LONG) return [1000, 1000];
  return engine === 'memory' ? [20, 200] : [40, 400];
}

/** Reads all streams from where it is told, and knows how far it came in each. */
interface Reader {
  readonly next: ReadonlyMap<string, number>;
  begin(): Promise<void>;
  /** Ends it in the middle. */
  kill(): Promise<void>;
  /** Resolves when it has read all chunks of each; rejects when one was wrong. */
  ended(chunks: number): Promise<void>;
}

/** A process that reads. */
class ReadingProcess implements Reader {
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

  async kill(): Promise<void> {
    this.#program.child.kill('SIGKILL');
    await this.#program.ended;
  }

  async ended(chunks: number): Promise<void> {
    const code = await this.#program.ended;
    assert.deepEqual(
      this.#program.messages.filter((message) => Reflect.has(Object(message), 'wrong')),
      [],
    );
    assert.equal(code, 0, this.#program.output());
    assert.deepEqual(new Set(this.next.values()), new Set([chunks]));
  }
}

/** An app of this process that reads: no other process can read an embedded database. */
class ReadingApp implements Reader {
  readonly next: Map<string, number>;
  readonly #killed = new AbortController();
  readonly #wrong: string[] = [];
  #reading: Promise<void> = Promise.resolve();

  constructor(
    private readonly app: Celeriac,
    from: ReadonlyMap<string, number>,
  ) {
    this.next = new Map(from);
  }

  async begin(): Promise<void> {
    const hear = (heard: Heard) => {
      if ('next' in heard) this.next.set(heard.id, heard.next);
      if ('wrong' in heard) this.#wrong.push(heard.wrong);
    };
    this.#reading = readStreams(this.app, [...this.next], hear, this.#killed.signal);
  }

  async kill(): Promise<void> {
    this.#killed.abort();
    await this.#reading;
    await this.app.close();
  }

  async ended(chunks: number): Promise<void> {
    await this.#reading;
    assert.deepEqual(this.#wrong, []);
    assert.deepEqual(new Set(this.next.values()), new Set([chunks]));
  }
}

describe('many streams', { timeout: PATIENCE_MS * 2 }, () => {
  onEveryEngine(
    (ground) => {
      it('give each of two readers every chunk once and in order', async (t) => {
        const { app, prefix, twin, worker } = ground.app(t);
        const [streams, chunks] = sizeOn(ground);
        const reader = (from: ReadonlyMap<string, number>): Reader =>
          ground.engine === 'memory'
            ? new ReadingApp(twin(), from)
            : new ReadingProcess(t, ground, prefix, from);
        let ended = 0;
        const count = app.task('count', async function* (n: number) {
          for (let i = 0; i < n; i++) yield i;
          ended++;
          return n;
        });
        const sent = await Promise.all(Array.from({ length: streams }, () => count.delay(chunks)));
        const all = new Map(sent.map(({ id }) => [id, 0]));
        const doomed = reader(all);
        await doomed.begin();
        const late = reader(all);
        await worker({ concurrency: 20 });
        await until(() => ended >= streams / 2, 'half of the tasks', PATIENCE_MS);
        await late.begin();
        await doomed.kill();
        const resumed = reader(doomed.next);
        await resumed.begin();
        await Promise.all([late.ended(chunks), resumed.ended(chunks)]);
      });
    },
    ['redis', 'cluster', 'postgres', 'memory'],
  );
});
