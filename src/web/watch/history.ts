/**
 * The points of charts, kept in a folder: a line of JSON each, appended as they are over. Two files, of which the older one
 * is replaced when the newer one is full, so that it never grows beyond a day or two. A history that cannot be written is
 * reported once, and the page goes on without it.
 */
import { appendFile, mkdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SeriesPoint } from '../api.js';
import { POINT_MS } from './statistics.js';

/** A day of points: what is kept in memory, and in a file. */
export const DAY_POINTS = 86_400_000 / POINT_MS;

export class ChartHistory {
  readonly #folder: string;
  #writing: Promise<void> = Promise.resolve();
  #inFile = 0;
  #failed = false;

  constructor(
    folder: URL,
    private readonly onError: (error: unknown) => void,
    private readonly most = DAY_POINTS,
  ) {
    this.#folder = fileURLToPath(folder);
  }

  /** What earlier processes have kept, oldest first. Never rejects. */
  async read(): Promise<SeriesPoint[]> {
    try {
      await mkdir(this.#folder, { recursive: true });
      const older = await this.#lines('points.1.jsonl');
      const newer = await this.#lines('points.jsonl');
      this.#inFile = newer.length;
      return [...older, ...newer].slice(-this.most);
    } catch (error) {
      this.#report(error);
      return [];
    }
  }

  /** Appends points, in order of the calls. */
  add(points: readonly SeriesPoint[]): void {
    this.#writing = this.#writing
      .then(() => this.#append(points))
      .catch((error: unknown) => this.#report(error));
  }

  /** Resolves when all that was added is written, or could not be. */
  async close(): Promise<void> {
    await this.#writing;
  }

  async #append(points: readonly SeriesPoint[]): Promise<void> {
    if (this.#inFile >= this.most) {
      await rename(this.#path('points.jsonl'), this.#path('points.1.jsonl'));
      this.#inFile = 0;
    }
    this.#inFile += points.length;
    await appendFile(
      this.#path('points.jsonl'),
      points.map((point) => `${JSON.stringify(point)}\n`).join(''),
    );
  }

  async #lines(name: string): Promise<SeriesPoint[]> {
    let text: string;
    try {
      text = await readFile(this.#path(name), 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
    return text.split('\n').flatMap((line) => pointIn(line) ?? []);
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }

  #report(error: unknown): void {
    if (!this.#failed) this.onError(error);
    this.#failed = true;
  }
}

/** Undefined for a line that is none, such as one cut by the end of a process. */
function pointIn(line: string): SeriesPoint | undefined {
  try {
    const value: unknown = JSON.parse(line);
    const at: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, 'at') : undefined;
    return typeof at === 'string' && !Number.isNaN(Date.parse(at)) ? (value as SeriesPoint) : undefined;
  } catch {
    return undefined; // cut, or empty
  }
}
