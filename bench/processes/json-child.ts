/**
 * A child process that answers requests: one JSON object per line, `{ id, request, ... }` in, `{ id, ... }` out.
 * The measuring side of the protocol; `serve.ts` and `subjects/celery/caller.py` are the other sides.
 */
import { createInterface } from 'node:readline';
import { type Answer, decodeAnswer } from './answer.js';
import type { Child, Children, SpawnOptions } from './children.js';

/** Far above any single request; a subject that hangs is reported, not waited for. */
const ANSWER_TIMEOUT_MS = 300_000;
const STOP_GRACE_MS = 5_000;

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

export class JsonChild {
  readonly #children: Children;
  readonly #child: Child;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;

  static spawn(
    children: Children,
    command: string,
    args: readonly string[],
    options: SpawnOptions = {},
  ): JsonChild {
    return new JsonChild(children, children.spawn(command, args, options));
  }

  private constructor(children: Children, child: Child) {
    this.#children = children;
    this.#child = child;
    createInterface({ input: child.process.stdout }).on('line', (line) => this.#take(line));
    child.process.once('exit', (code, signal) => this.#fail(`ended with ${signal ?? `exit code ${code}`}`));
    // A write to a process that has just ended; its exit is what gets reported.
    child.process.stdin.on('error', () => {});
  }

  /** @throws what went wrong in the child, or that it ended or kept silent */
  async ask(request: string, fields: object): Promise<Answer> {
    const id = ++this.#lastId;
    const answered = new Promise<Answer>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    const timer = setTimeout(() => this.#fail(`gave no answer to "${request}"`), ANSWER_TIMEOUT_MS);
    this.#child.process.stdin.write(`${JSON.stringify({ ...fields, id, request })}\n`);
    try {
      return await answered;
    } finally {
      clearTimeout(timer);
    }
  }

  stop(): Promise<void> {
    return this.#children.stop(this.#child, STOP_GRACE_MS);
  }

  #take(line: string): void {
    // Anything else on stdout is some library talking.
    if (!line.startsWith('{"id":')) return;
    const answer = decodeAnswer(JSON.parse(line));
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (answer.error === undefined) waiting?.resolve(answer);
    else waiting?.reject(new Error(answer.error));
  }

  #fail(what: string): void {
    const error = new Error(`process ${this.#child.pid} ${what}\n${this.#child.stderrTail()}`);
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }
}
