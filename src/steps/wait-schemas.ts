/**
 * The schemas of waits, as far as they are known here: a process learns one when a task of its own waits with it. So a
 * value that cannot be right is refused where it is sent, if that is where the task has run.
 */
import { InvalidArgumentsError, OptionError, type Violation } from '../errors.js';
import { show } from '../show.js';
import { isStandardSchema, schemaReader } from '../tasks/standard-schema.js';
import type { WaitSchema } from '../tasks/step-context.js';

/** Names may be made up at runtime, so no more schemas than this are kept. */
const MOST = 1000;

export class WaitSchemas {
  readonly #known = new Map<string, WaitSchema<unknown>>();

  /** @throws {OptionError} for what is no schema */
  learn(task: string, name: string, schema: WaitSchema<unknown>): void {
    if (!isStandardSchema(schema))
      throw new OptionError(
        `waitFor('${name}'): schema must be a Standard Schema (zod, valibot, arktype); got ${show(schema)}.`,
      );
    const key = keyOf(task, name);
    if (!this.#known.has(key) && this.#known.size >= MOST) return;
    this.#known.set(key, schema);
  }

  /** Why a value does not fit the wait it is sent to; undefined if it does, or if the schema is not known here. */
  async refusal(task: string, name: string, value: unknown): Promise<string | undefined> {
    const schema = this.#known.get(keyOf(task, name));
    if (schema === undefined) return undefined;
    const { violations } = await schemaReader(schema)(value, name);
    return violations.length === 0 ? undefined : textOf(name, violations);
  }

  /** @throws {InvalidArgumentsError} the value does not fit */
  async read(schema: WaitSchema<unknown>, name: string, value: unknown): Promise<unknown> {
    const { value: read, violations } = await schemaReader(schema)(value, name);
    if (violations.length === 0) return read;
    throw new InvalidArgumentsError(textOf(name, violations), violations);
  }
}

function keyOf(task: string, name: string): string {
  return JSON.stringify([task, name]);
}

function textOf(name: string, violations: readonly Violation[]): string {
  const lines = violations.map(({ path, message }) => `${path}: ${message}`);
  return `The value sent to waitFor('${name}') does not fit its schema: ${lines.join('; ')}`;
}
