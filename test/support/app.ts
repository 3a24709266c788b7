/**
 * What tests of running tasks share: a suite on every engine, apps that are closed after their test, workers, logs that
 * can be read, gates that tasks wait at, and programs in processes of their own.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { after, before, describe, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Celeriac, type CeleriacOptions, type Logger, type Worker, type WorkerOptions } from 'celeriac';
import { engines, type TestBroker, type TestEngine } from './engines.js';

type Cleanup = Pick<TestContext, 'after'>;

/** An engine with a broker running on it, for the tests of one suite. */
export interface Ground {
  readonly engine: TestEngine['name'];
  /** The broker's URL; known once the suite runs. */
  readonly url: string;
  /** An app on a prefix of its own, closed after the test. */
  app(t: Cleanup, options?: CeleriacOptions): TestApp;
}

/** An app and what it said. */
export interface TestApp {
  readonly app: Celeriac;
  readonly prefix: string;
  readonly lines: LogLine[];
  /** Another app on the same broker and prefix: what another process would have. */
  twin(options?: CeleriacOptions): Celeriac;
  /** A started worker, stopped with its app. Concurrency 10 unless told. */
  worker(options?: WorkerOptions): Promise<Worker>;
}

/**
 * Runs a suite once for each engine; `CELERIAC_ENGINES=sentinel,cluster` runs every such suite on those instead. All suites
 * of a file share one broker of an engine: their tests differ in their prefix.
 */
export function onEveryEngine(
  suite: (ground: Ground) => void,
  names: readonly TestEngine['name'][] = ['redis', 'memory'],
): void {
  const wanted: readonly string[] = process.env.CELERIAC_ENGINES?.split(',') ?? names;
  for (const engine of engines.filter(({ name }) => wanted.includes(name))) {
    describe(`on ${engine.name}`, { skip: engine.skip }, () => {
      const shared = SharedBroker.of(engine);
      shared.suites++;
      before(() => shared.open());
      after(() => shared.leave());
      const ground: Ground = {
        engine: engine.name,
        get url() {
          return shared.url;
        },
        app: (t, options) => testApp(t, { broker: ground.url, migrate: true, ...options }),
      };
      suite(ground);
    });
  }
}

/** One broker of an engine for all suites of a file, from the first of them to the last. */
class SharedBroker {
  static readonly #all = new Map<TestEngine, SharedBroker>();
  /** Those that are still to end. A file names all its suites before the first one runs. */
  suites = 0;
  #opened: Promise<TestBroker> | undefined;
  #broker: TestBroker | undefined;
  #keeper: Celeriac | undefined;

  private constructor(private readonly engine: TestEngine) {}

  static of(engine: TestEngine): SharedBroker {
    const shared = SharedBroker.#all.get(engine) ?? new SharedBroker(engine);
    SharedBroker.#all.set(engine, shared);
    return shared;
  }

  get url(): string {
    if (this.#broker === undefined) throw new Error('the broker is not up yet: ask inside a test');
    return this.#broker.url;
  }

  async open(): Promise<void> {
    this.#opened ??= this.#open();
    this.#broker = await this.#opened;
  }

  async leave(): Promise<void> {
    this.suites--;
    if (this.suites > 0) return;
    await this.#keeper?.close();
    // The servers do not keep this process alive; waiting for their end must.
    if (this.#broker !== undefined) await within(this.#broker.close(), 'the end of the broker');
  }

  async #open(): Promise<TestBroker> {
    const broker = await this.engine.open();
    if (this.engine.name !== 'memory') return broker;
    // An embedded database ends with its last app; this one lasts as long as the suites.
    this.#keeper = new Celeriac('keeper', { broker: broker.url, migrate: true });
    await this.#keeper.migrate();
    return broker;
  }
}

/** An app whose log is kept, closed after the test. */
export function testApp(t: Cleanup, options: CeleriacOptions): TestApp {
  const lines: LogLine[] = [];
  const prefix = options.prefix ?? uniqueName();
  const make = (own: CeleriacOptions = {}) => {
    const app = new Celeriac('test', {
      prefix,
      logger: recorder(lines),
      // A machine busy with other tests is no outage.
      publishRetry: '20s',
      ...options,
      ...own,
    });
    t.after(() => app.close());
    return app;
  };
  const app = make();
  return {
    app,
    prefix,
    lines,
    twin: make,
    worker: (workerOptions) => startWorker(app, workerOptions),
  };
}

/** A started worker of `app`; closing the app stops it. */
export async function startWorker(app: Celeriac, options: WorkerOptions = {}): Promise<Worker> {
  const worker = app.worker({ concurrency: 10, shutdownTimeout: '1s', ...options });
  await worker.start();
  return worker;
}

/** A name nobody else uses. */
export function uniqueName(): string {
  return `t${randomBytes(6).toString('hex')}`;
}

/** One line an app logged. */
export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

function recorder(lines: LogLine[]): Logger {
  const keep = (level: LogLine['level']) => (fields: object, message: string) =>
    void lines.push({ level, fields: fields as LogLine['fields'], message });
  return { debug: keep('debug'), info: keep('info'), warn: keep('warn'), error: keep('error') };
}

/** Something that happens once, and can be waited for. */
export interface Gate<T = void> {
  readonly opened: Promise<T>;
  open(value: T): void;
}

export function gate<T = void>(): Gate<T> {
  let open: (value: T) => void = () => undefined;
  const opened = new Promise<T>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

/** Counts arrivals; `reached(n)` resolves with the nth. */
export class Counter {
  #count = 0;
  readonly #waiting: { n: number; wake: () => void }[] = [];

  get count(): number {
    return this.#count;
  }

  add(): number {
    this.#count++;
    for (const { n, wake } of this.#waiting) if (this.#count >= n) wake();
    return this.#count;
  }

  async reached(n: number): Promise<void> {
    if (this.#count >= n) return;
    await within(new Promise<void>((wake) => this.#waiting.push({ n, wake })), `${n} arrivals`);
  }
}

/** Rejects when `promise` takes so long that the test has failed; a bound for hangs, never an assertion about time. */
export async function within<T>(promise: Promise<T>, what: string, ms = 20_000): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`still waiting for ${what} after ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Looks until `check` gives something other than `undefined` or `false`. */
export async function until<T>(check: () => T | Promise<T>, what: string, ms = 20_000): Promise<T> {
  const giveUpAt = Date.now() + ms;
  for (;;) {
    const found = await check();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > giveUpAt) throw new Error(`${what} did not come about within ${ms} ms`);
    await pause(10);
  }
}

/** For the bodies of tasks and for polling; no test relies on how long it takes. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** The error a promise rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Error) return error;
    throw new Error(`rejected with what is no Error: ${String(error)}`);
  }
  throw new Error('it should have rejected');
}

/** A program in a process of its own, which talks over IPC. */
export interface Program {
  readonly child: ChildProcess;
  readonly output: () => string;
  /** The messages it sent so far. */
  readonly messages: unknown[];
  send(message: object): void;
  /** Resolves with the first message, old or new, that `matches`. */
  message<T>(matches: (message: T) => boolean, ms?: number): Promise<T>;
  /** Resolves with its exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals | null>;
}

/** Starts a compiled program; it is killed after the test if it still runs. */
export function startProgram(
  t: Cleanup,
  url: string | URL,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Program {
  const child = fork(fileURLToPath(url), args, {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: { ...process.env, ...env },
    execArgv: ['--expose-gc'],
  });
  t.after(() => child.kill('SIGKILL'));
  let output = '';
  child.stdout?.on('data', (chunk) => {
    output += String(chunk);
  });
  child.stderr?.on('data', (chunk) => {
    output += String(chunk);
  });
  const messages: unknown[] = [];
  const watchers = new Set<() => void>();
  const tell = () => {
    for (const watcher of watchers) watcher();
  };
  child.on('message', (message) => {
    messages.push(message);
    tell();
  });
  const ended = once(child, 'close').then(([code, signal]) => {
    tell();
    return (code ?? signal) as number | NodeJS.Signals | null;
  });
  return {
    child,
    messages,
    ended,
    output: () => output,
    send: (message) => void child.send(message),
    message: <T>(matches: (message: T) => boolean, ms?: number) =>
      within(
        new Promise<T>((resolve, reject) => {
          const look = () => {
            const found = messages.find((message) => matches(message as T));
            const over = child.exitCode !== null || child.signalCode !== null;
            if (found === undefined && !over) return;
            watchers.delete(look);
            if (found === undefined) reject(new Error(`the program ended without that message:\n${output}`));
            else resolve(found as T);
          };
          watchers.add(look);
          look();
        }),
        'a message of the program',
        ms,
      ),
  };
}
