/** The tasks workflows are made of in tests, and notes of what they did. */
import type { Celeriac } from 'celeriac';
import { until } from './app.js';

export function flowTasks(app: Celeriac) {
  return {
    add: app.task('add', async (a: number, b: number) => a + b),
    double: app.task('double', async (a: number) => a * 2),
    sum: app.task('sum', async (list: number[]) => list.reduce((total, n) => total + n, 0)),
    show: app.task('show', async (value: unknown) => JSON.stringify(value)),
    five: app.task('five', async () => 5),
    fail: app.task('fail', async (message: unknown): Promise<number> => {
      throw new RangeError(String(message));
    }),
  };
}

/** What was noted, in the order it came. */
export class Notes {
  readonly all: unknown[] = [];

  add(note: unknown): void {
    this.all.push(note);
  }

  /** Resolves with the first `n`, as sorted JSON. */
  async first(n: number): Promise<string[]> {
    await until(() => this.all.length >= n, `${n} notes, there are ${JSON.stringify(this.all)}`);
    return this.sorted();
  }

  sorted(): string[] {
    return this.all.map((note) => JSON.stringify(note)).sort();
  }
}

/** A task that notes the value it gets and who it is. */
export function noteTask(app: Celeriac, notes: Notes) {
  return app.task('note', async (value: unknown, who: string) => {
    notes.add([who, value]);
    return value;
  });
}

/** An errback that notes who it is and what it was told. */
export function blameTask(app: Celeriac, notes: Notes) {
  return app.task('blame', async (request: { name: string }, error: Error, who: string) => {
    notes.add([who, request.name, error.name, error.message]);
  });
}
