/**
 * What is sent to a part of a workflow: kept in the workflow's record, since the part may have no job yet. The first
 * value of a name stands there; the part takes it when it begins to wait.
 */
import type { Engine } from '../broker/broker.js';
import { type PartAddress, partOf } from '../protocol/ids.js';

export class PartMail {
  constructor(private readonly engine: Pick<Engine, 'flows'>) {}

  /**
   * Keeps a value for a part, unless one of that name is there.
   * @returns the value that stands, and whether it is this one; undefined when the workflow is gone or revoked
   */
  async post(
    part: PartAddress,
    name: string,
    text: string,
  ): Promise<{ readonly stands: string; readonly first: boolean } | undefined> {
    const written = await this.engine.flows.write(part.flow, [{ field: fieldOf(part, name), value: text }]);
    if (written === undefined || written.revoked !== undefined) return undefined;
    const before = written.rows[0]?.before;
    return { stands: before ?? text, first: before === undefined };
  }

  /** What was sent to a part under this name; undefined for nothing, and for a task that is no part. */
  async read(jobId: string, name: string): Promise<string | undefined> {
    const part = partOf(jobId);
    if (part === undefined) return undefined;
    const [[text] = []] = await this.engine.flows.read([{ flow: part.flow, fields: [fieldOf(part, name)] }]);
    return text;
  }
}

/** No path of a part begins so. */
function fieldOf({ path }: PartAddress, name: string): string {
  return `>${path} ${JSON.stringify(name)}`;
}
