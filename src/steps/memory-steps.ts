/** The steps of a task that runs in its caller's process: kept over its attempts, and gone with it. */
import type { StepRecords, StepWrite, StepWritten } from '../broker/steps.js';

export class MemorySteps implements Pick<StepRecords, 'write' | 'read'> {
  readonly fields = new Map<string, string>();

  async write(_job: unknown, _token: string, { field, value, sees }: StepWrite): Promise<StepWritten> {
    const before = this.fields.get(field);
    if (before === undefined) this.fields.set(field, value);
    return { before, seen: sees === undefined ? undefined : this.fields.get(sees) };
  }

  async read(): Promise<ReadonlyMap<string, string>> {
    return new Map(this.fields);
  }
}
