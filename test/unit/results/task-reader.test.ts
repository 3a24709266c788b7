import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { JobRef, StoredJob } from '#src/broker/broker.js';
import { relocationKey } from '#src/coordination/relocations.js';
import type { PartReading, PartRef, TaskRecord } from '#src/coordination/task-record.js';
import { tombstoneKey } from '#src/coordination/tombstones.js';
import { flowTopic, partId } from '#src/protocol/ids.js';
import { replacedBy } from '#src/protocol/message.js';
import { TaskReader, topicsOf } from '#src/results/task-reader.js';
import { waitingJob } from '../../support/fake-engine.js';

const FLOW = 'flowflowflow-0';
const INNER = 'flowflowflow-1';
const LANE = 'q~task';
const TOMB = JSON.stringify({ name: 'task', data: '{"v":1,"args":[]}', sentAt: 1, droppedAt: 9 });
const at = (id: string, queue = 'q'): JobRef => ({ queue, id });

/** A broker of maps, each call of it noted in order; and workflows whose parts read as `readings` say. */
function broker() {
  const jobs = new Map<string, StoredJob>();
  const records = new Map<string, string>();
  const readings = new Map<string, PartReading>();
  const finals = new Map<string, JobRef>();
  const asked: string[] = [];
  const place = ({ queue, id }: JobRef) => `${queue}/${id}`;
  const ask = async <T, R>(
    what: string,
    keys: readonly T[],
    name: (key: T) => string,
    look: (key: T) => R,
  ) => {
    asked.push(`${what} ${keys.map(name).join(' ')}`);
    await undefined;
    return keys.map(look);
  };
  const text = (key: string) => key;
  const engine = {
    readJobs: (refs: readonly JobRef[]) => ask('jobs', refs, place, (ref) => jobs.get(place(ref))),
    readEnded: (refs: readonly JobRef[]) =>
      ask('ended', refs, place, (ref) => jobs.get(place(ref))?.doneAt !== undefined),
    records: {
      read: (keys: readonly string[]) =>
        ask('records', keys, text, (key) => {
          const value = records.get(key);
          return value === undefined ? undefined : { value, version: 1 };
        }),
    },
  };
  const parts = {
    read: (wanted: readonly PartRef[]) =>
      ask(
        'parts',
        wanted,
        ({ address }) => address.path,
        ({ ref }) => readings.get(ref.id) ?? (async (job: TaskRecord | undefined) => job),
      ),
    finalOf: async (flow: string) => finals.get(flow),
  };
  const add = (id: string, fields: Partial<StoredJob> = {}) => {
    const job = waitingJob(id, fields);
    jobs.set(place(job), job);
    return job;
  };
  const reader = new TaskReader(engine as never, parts);
  const read = async (...refs: JobRef[]) => {
    asked.length = 0;
    return reader.read(refs);
  };
  const kinds = async (...refs: JobRef[]) => (await read(...refs)).map((task) => task?.kind);
  return { jobs, records, readings, finals, asked, add, reader, read, kinds };
}

describe('A task that is read', () => {
  it('is its job, just as it lies, in one round trip for all that are asked for', async () => {
    const { add, read, asked } = broker();
    const [one, two] = [add('one'), add('two')];
    const found = await read(at('two'), at('one'), at('two'));
    assert.equal(found[0], two);
    assert.equal(found[1], one);
    assert.equal(found[2], two);
    assert.deepEqual(asked, ['jobs q/two q/one q/two']);
  });

  it('is found in the lane it was moved to, and in one step from then on, until it is gone from there', async () => {
    const { add, jobs, records, read, asked, kinds } = broker();
    add('here');
    add('moved', { queue: LANE });
    records.set(relocationKey(at('moved')), LANE);
    const found = await read(at('here'), at('moved'));
    assert.deepEqual([found[0]?.kind, found[1]?.kind, found[1]?.queue], ['job', 'moved', LANE]);
    assert.equal(asked.length, 3);
    assert.deepEqual(await kinds(at('here'), at('moved')), ['job', 'moved']);
    assert.deepEqual(asked, [`jobs q/here ${LANE}/moved`]);
    jobs.clear();
    records.clear();
    assert.deepEqual(await kinds(at('moved')), [undefined]);
    await read(at('moved'));
    assert.equal(asked[0], 'jobs q/moved');
  });

  it('is found where it has gone while it was looked for, and is unknown where it is on no way', async () => {
    const { add, jobs, records, read, kinds, asked } = broker();
    records.set(relocationKey(at('moved')), LANE);
    const get = jobs.get.bind(jobs);
    jobs.get = (place) => {
      if (place === `${LANE}/moved` && get('far/moved') === undefined) {
        records.set(relocationKey(at('moved')), 'far');
        add('moved', { queue: 'far' });
      }
      return get(place);
    };
    const [moved] = await read(at('moved'));
    assert.deepEqual([moved?.kind, moved?.queue], ['moved', 'far']);
    records.set(relocationKey(at('lost')), LANE);
    assert.deepEqual(await kinds(at('lost')), [undefined]);
    assert.equal(asked.length, 4, 'one more look at its entry, which says the same');
  });

  it('is what its tombstone tells where it was dropped; a job says more, here or in a lane', async () => {
    const { add, records, read, kinds } = broker();
    records.set(tombstoneKey(at('gone')), TOMB);
    const [gone] = await read(at('gone'));
    assert.deepEqual([gone?.kind, gone?.id, gone?.queue, gone?.doneAt], ['dropped', 'gone', 'q', 9]);
    records.set(relocationKey(at('gone')), LANE);
    assert.deepEqual(await kinds(at('gone')), ['dropped']);
    add('gone', { queue: LANE });
    assert.deepEqual(await kinds(at('gone')), ['moved']);
    add('back');
    records.set(tombstoneKey(at('back')), TOMB);
    assert.deepEqual(await kinds(at('back')), ['job']);
  });

  it('is unknown where nothing is there, after one look at what else there might be', async () => {
    const { kinds, asked } = broker();
    assert.deepEqual(await kinds(at('none')), [undefined]);
    assert.deepEqual(asked, ['jobs q/none', 'records moved:q/none dropped:q/none']);
  });

  it('is what its workflow says, which is asked beside its job and told of it', async () => {
    const { add, readings, read, asked, reader } = broker();
    const [task, group] = [partId(FLOW, '0.1', 'q'), partId(FLOW, '0')];
    const job = add(task);
    add('plain');
    const told: unknown[] = [];
    for (const id of [task, group])
      readings.set(id, async (given) => {
        told.push(given);
        return { ...waitingJob(id), kind: 'part' };
      });
    const found = await read(at(group, ''), at('plain'), at(task));
    assert.deepEqual(
      found.map((each) => [each?.kind, each?.id]),
      [
        ['part', group],
        ['job', 'plain'],
        ['part', task],
      ],
    );
    assert.deepEqual(told, [undefined, job], 'what has no job of its own is given none');
    assert.deepEqual(asked, [`jobs q/plain q/${task}`, 'parts 0 0.1']);
    assert.deepEqual(await reader.jobs.read([at(task)]), [job], 'whoever runs workflows sees the job');
  });

  it('is what took its place, under its own id, however often that happened', async () => {
    const { add, finals, read } = broker();
    const [inner, last] = [partId(INNER, '0', 'q'), partId(FLOW, '0', 'q')];
    add('first', { returnvalue: JSON.stringify(replacedBy(INNER)), doneAt: 5 });
    finals.set(INNER, at(inner));
    add(inner, { returnvalue: JSON.stringify(replacedBy(FLOW)), doneAt: 6 });
    assert.deepEqual(await read(at('first')), [undefined], 'its workflow is gone');
    finals.set(FLOW, at(last));
    add(last, { returnvalue: '7', doneAt: 8 });
    const [now] = await read(at('first'));
    assert.deepEqual(
      [now?.kind, now?.id, now?.returnvalue, now?.doneAt, now?.replacedBy],
      ['replaced', 'first', '7', 8, at(inner)],
    );
  });
});

describe('Whether tasks have ended', () => {
  it('is one cheap look for plain ones, in the lane where they were last found', async () => {
    const { add, records, read, reader, asked } = broker();
    add('done', { doneAt: 5 });
    add('moved', { queue: LANE });
    records.set(relocationKey(at('moved')), LANE);
    await read(at('moved'));
    asked.length = 0;
    assert.deepEqual(await reader.ended([at('done'), at('moved')]), [true, false]);
    assert.deepEqual(asked, [`ended q/done ${LANE}/moved`]);
  });

  it('is read from the workflow for parts, which may have ended without a job', async () => {
    const { add, readings, reader } = broker();
    const [over, waits, unknown] = ['0.0', '0.1', '0.2'].map((path) => partId(FLOW, path, 'q'));
    readings.set(over ?? '', async () => ({ ...waitingJob('x', { doneAt: 1 }), kind: 'part' }));
    readings.set(waits ?? '', async () => ({ ...waitingJob('x'), kind: 'part' }));
    add('plain');
    const refs = [over, 'plain', waits, unknown].map((id) => at(id ?? ''));
    assert.deepEqual(await reader.ended(refs), [true, false, false, true]);
  });
});

describe('The topics of a task', () => {
  it('are its id alone, and those of its workflow for a part', () => {
    assert.deepEqual(topicsOf(at('plain')), ['plain']);
    const task = partId(FLOW, '0.1', 'q');
    assert.deepEqual(topicsOf(at(task)), [task, flowTopic(FLOW)]);
    assert.deepEqual(topicsOf(at(partId(FLOW, '0'), '')), [flowTopic(FLOW, '0'), flowTopic(FLOW)]);
  });
});
