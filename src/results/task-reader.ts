/**
 * The one reader of tasks. The broker reads stored jobs; this file adds whatever else makes up a task, in this order:
 *
 *   1 the job        where the reference says, or in the lane where it was found before
 *   2 a relocation   no job there: an entry names the lane it was moved to
 *   3 a tombstone    nor in a lane: it was dropped, and the tombstone says how it ended
 *   4 its workflow   for a part: whether its job says all, and the workflow's record where it does not
 *   5 a replacement  a task that was replaced reads as its replacement
 *
 * A job that is present, is no part and was not replaced costs one round trip. Only tasks that need a later step pay
 * for it.
 */
import type { Engine, JobRef, StoredJob } from '../broker/broker.js';
import { relocationKey } from '../coordination/relocations.js';
import type { PartRef, TaskLookup, TaskRecord, WorkflowParts } from '../coordination/task-record.js';
import { recordOfTombstone, tombstoneKey } from '../coordination/tombstones.js';
import { flowTopic, partOf } from '../protocol/ids.js';
import { replacementIn } from '../protocol/message.js';

/** The number of jobs whose lane is remembered, so that waiting for a moved job stays one read. */
const REMEMBERED = 10_000;

interface Missing {
  readonly ref: JobRef;
  /** Its place in the list that is read. */
  readonly i: number;
  readonly sought?: string;
}

export class TaskReader implements TaskLookup {
  /** Only steps 1 to 3, for code that runs workflows: it reads the workflows' records itself. */
  readonly jobs: TaskLookup = { read: (refs) => this.#jobs(refs) };
  /** The lanes where jobs were found. */
  readonly #lanes = new Map<string, JobRef>();

  constructor(
    private readonly engine: Pick<Engine, 'readJobs' | 'readEnded' | 'records'>,
    private readonly parts: WorkflowParts,
  ) {}

  async read(refs: readonly JobRef[]): Promise<(TaskRecord | undefined)[]> {
    const found = await this.#withParts(refs);
    if (!found.some(isReplaced)) return found;
    return Promise.all(found.map((task) => (isReplaced(task) ? this.#replacement(task) : task)));
  }

  /** Steps 4 and 5 for jobs that were read elsewhere, in order: for lists, whose rows have no long texts. Fails fast. */
  async ofJobs(jobs: readonly StoredJob[]): Promise<TaskRecord[]> {
    const parts = jobs.map((job) => partRef(job));
    const some = parts.filter((part) => part !== undefined);
    const readings = some.length === 0 ? [] : await this.parts.read(some);
    const next = readings.values();
    return Promise.all(
      jobs.map(async (job, i) => {
        const reading = parts[i] === undefined ? undefined : next.next().value;
        const task = reading === undefined ? job : ((await reading(job)) ?? job);
        return isReplaced(task) ? ((await this.#replacement(task)) ?? task) : task;
      }),
    );
  }

  /** Whether each task has ended or is gone, in order: the cheap check for sweeps. Fails fast. */
  async ended(refs: readonly JobRef[]): Promise<boolean[]> {
    const isPart = refs.map(({ id }) => partOf(id) !== undefined);
    if (!isPart.includes(true)) return this.engine.readEnded(this.#known(refs));
    const [jobs, parts] = await Promise.all([
      this.engine.readEnded(this.#known(refs.filter((_, i) => !isPart[i]))),
      this.read(refs.filter((_, i) => isPart[i])),
    ]);
    const ended = { jobs: jobs.values(), parts: parts.values() };
    return refs.map((_, i) => {
      if (!isPart[i]) return ended.jobs.next().value ?? true;
      const part = ended.parts.next().value;
      return part === undefined || part.doneAt !== undefined;
    });
  }

  /** Steps 1 to 3. */
  async #jobs(refs: readonly JobRef[]): Promise<(TaskRecord | undefined)[]> {
    const places = this.#known(refs);
    const jobs = await this.engine.readJobs(places);
    const found: (TaskRecord | undefined)[] =
      places === refs ? jobs : jobs.map((job, i) => movedFrom(refs[i], job));
    const missing = refs.flatMap((ref, i) => (found[i] === undefined ? [{ ref, i }] : []));
    if (missing.length > 0) await this.#seek(missing, found);
    return found;
  }

  /**
   * Fills in the jobs that were not found where expected.
   * @param missing `sought`: where a job was looked for in vain. It may be on its way to yet another queue, and then its
   *   entry says so by now
   */
  async #seek(missing: readonly Missing[], found: (TaskRecord | undefined)[]): Promise<void> {
    const keys = missing.flatMap(({ ref }) => [relocationKey(ref), tombstoneKey(ref)]);
    const entries = await this.engine.records.read(keys);
    const moved = missing.flatMap(({ ref, i, sought }, n) => {
      const lane = entries[2 * n]?.value;
      const tomb = entries[2 * n + 1]?.value;
      if (tomb !== undefined) found[i] = recordOfTombstone(ref, tomb);
      if (lane === undefined) this.#lanes.delete(relocationKey(ref));
      const isNews = lane !== undefined && lane !== sought;
      return isNews ? [{ i, from: ref, to: { queue: lane, id: ref.id } }] : [];
    });
    if (moved.length === 0) return;
    if (this.#lanes.size > REMEMBERED) this.#lanes.clear();
    const jobs = await this.engine.readJobs(moved.map(({ to }) => to));
    moved.forEach(({ i, from, to }, n) => {
      if (jobs[n] === undefined) return;
      found[i] = movedFrom(from, jobs[n]);
      this.#lanes.set(relocationKey(from), to);
    });
    const gone = moved.flatMap(({ i, from, to }, n) =>
      jobs[n] === undefined && found[i] === undefined ? [{ ref: from, i, sought: to.queue }] : [],
    );
    if (gone.length > 0) await this.#seek(gone, found);
  }

  /** Where the jobs were last found; the references themselves while no job was found elsewhere. */
  #known(refs: readonly JobRef[]): readonly JobRef[] {
    if (this.#lanes.size === 0) return refs;
    return refs.map((ref) => this.#lanes.get(relocationKey(ref)) ?? ref);
  }

  /** Step 4, beside the others. */
  async #withParts(refs: readonly JobRef[]): Promise<(TaskRecord | undefined)[]> {
    const parts = refs.map((ref) => partRef(ref));
    if (parts.every((part) => part === undefined)) return this.#jobs(refs);
    const withJobs = refs.filter((_, i) => hasJob(parts[i]));
    const [jobs, readings] = await Promise.all([
      withJobs.length === 0 ? [] : this.#jobs(withJobs),
      this.parts.read(parts.filter((part) => part !== undefined)),
    ]);
    const next = { job: jobs.values(), reading: readings.values() };
    return Promise.all(
      parts.map((part) => {
        const job = hasJob(part) ? next.job.next().value : undefined;
        return part === undefined ? job : next.reading.next().value?.(job);
      }),
    );
  }

  /** Step 5. */
  async #replacement(task: TaskRecord): Promise<TaskRecord | undefined> {
    const replacedBy = await this.parts.finalOf(replacementIn(task.returnvalue) ?? '');
    const [now] = replacedBy === undefined ? [] : await this.read([replacedBy]);
    if (replacedBy === undefined || now === undefined) return undefined;
    return { ...now, kind: 'replaced', id: task.id, replacedBy: { ...replacedBy, queue: now.queue } };
  }
}

/**
 * The topics on which changes of a task are published: its id; for a part also its workflow, since a failure
 * elsewhere in the workflow may end it.
 */
export function topicsOf({ id }: JobRef): readonly [string, ...string[]] {
  const part = partOf(id);
  if (part === undefined) return [id];
  return [part.queue === undefined ? flowTopic(part.flow, part.path) : id, flowTopic(part.flow)];
}

/** True if the task ended by being replaced with a workflow. */
export function isReplaced(task: TaskRecord | undefined): task is TaskRecord {
  return replacementIn(task?.returnvalue) !== undefined;
}

/** The job of a task, marked as moved if it is elsewhere than `from`. */
function movedFrom(from: JobRef | undefined, job: StoredJob | undefined): TaskRecord | undefined {
  return job === undefined || job.queue === from?.queue ? job : { ...job, kind: 'moved' };
}

function partRef(ref: JobRef): PartRef | undefined {
  const address = partOf(ref.id);
  return address && { ref, address };
}

/** Groups and chains have no job. */
function hasJob(part: PartRef | undefined): boolean {
  return part === undefined || part.address.queue !== undefined;
}
