/** `GET openapi.json`: the whole API, for people and for generators of clients. */
import { API } from '../api-path.js';
import { COMPONENTS } from './components.js';
import { anything, count, flag, listOf, mapOf, object, ref, type Schema, text } from './schema.js';

/** One call in the document. */
interface Described {
  readonly says: string;
  /** The name of the schema of its answer; without one the answer is no JSON. */
  readonly gives?: string;
  readonly takes?: Schema;
  readonly query?: readonly (readonly [name: string, schema: Schema, says: string])[];
  readonly type?: string;
}

const FILTER: NonNullable<Described['query']> = [
  ['state', text, 'one state, or several: repeated, or with commas between'],
  ['name', text, 'name of the task; * for any text'],
  ['queue', text, ''],
  ['tag', text, ''],
  ['worker', text, 'the node that runs it, or ran it last'],
  ['id', text, 'the id, or its beginning'],
  ['text', text, 'text in its arguments'],
  ['after', text, 'sent at or after this moment'],
  ['before', text, 'sent before this moment'],
];

const IDS_OR_FILTER = { 'ids?': listOf(text), 'filter?': ref('RunFilter') };
const EMPTY = object({});

const CALLS: ReadonlyMap<string, Described> = new Map<string, Described>([
  ['GET /overview', { says: 'The fleet at a glance', gives: 'Overview' }],
  ['GET /tasks', { says: 'The tasks by name', gives: 'TaskList' }],
  [
    'GET /runs',
    {
      says: 'Tasks by a filter, a page at a time; a page says how far it has looked',
      gives: 'RunList',
      query: [
        ...FILTER,
        ['sort', { type: 'string', enum: ['newest', 'oldest'] }, ''],
        ['limit', { type: 'integer', minimum: 1, maximum: 200 }, 'default 50'],
        ['cursor', text, '`next` of the page before'],
      ],
    },
  ],
  ['GET /runs/{id}', { says: 'Everything about one task', gives: 'RunDetail' }],
  [
    'GET /runs/{id}/chunks',
    { says: 'What it has yielded', gives: 'ChunkList', query: [['from', count, 'index of the first']] },
  ],
  [
    'GET /runs/{id}/graph',
    {
      says: 'Its workflow',
      gives: 'RunGraph',
      query: [
        ['open', text, 'a folded group whose members to show'],
        ['from', count, 'index of the first member shown'],
      ],
    },
  ],
  ['GET /workers', { says: 'The workers', gives: 'WorkerList' }],
  ['GET /queues', { says: 'The queues', gives: 'QueueList' }],
  ['GET /schedules', { says: 'The schedules', gives: 'ScheduleList' }],
  ['GET /failed', { says: 'Failed tasks, by their error', gives: 'FailedList', query: FILTER.slice(1) }],
  ['GET /limits', { says: 'The limits of tasks over the fleet', gives: 'LimitList' }],
  ['GET /events', { says: 'What happens, as server-sent events', type: 'text/event-stream' }],
  ['GET /openapi.json', { says: 'This document', type: 'application/json' }],
  [
    'POST /tasks/{name}/call',
    {
      says: 'Sends a task',
      gives: 'Called',
      takes: object({ 'args?': listOf(anything), 'options?': mapOf(anything) }),
    },
  ],
  [
    'POST /runs/revoke',
    {
      says: 'Revokes tasks that have not ended',
      gives: 'Changed',
      takes: object({ ...IDS_OR_FILTER, 'terminate?': flag, 'reason?': text }),
    },
  ],
  ['POST /runs/retry', { says: 'Runs failed tasks again', gives: 'Changed', takes: object(IDS_OR_FILTER) }],
  [
    'POST /runs/delete',
    { says: 'Drops the records of tasks that have ended', gives: 'Changed', takes: object(IDS_OR_FILTER) },
  ],
  [
    'POST /runs/{id}/revoke',
    {
      says: 'Revokes a task',
      gives: 'Changed',
      takes: object({ 'terminate?': flag, 'reason?': text }),
    },
  ],
  [
    'POST /runs/{id}/retry',
    { says: 'Runs a failed task again', gives: 'Changed', takes: object({ 'args?': listOf(anything) }) },
  ],
  [
    'POST /runs/{id}/run-now',
    { says: 'Lets a task start that waits for its moment', gives: 'Changed', takes: EMPTY },
  ],
  ['DELETE /runs/{id}', { says: 'Drops the record of a task that has ended', gives: 'Changed' }],
  [
    'POST /queues/{name}/pause',
    { says: 'Starts no task of a queue any more', gives: 'Touched', takes: EMPTY },
  ],
  ['POST /queues/{name}/resume', { says: 'Starts tasks of a queue again', gives: 'Touched', takes: EMPTY }],
  ['POST /queues/{name}/purge', { says: 'Drops what waits in a queue', gives: 'Touched', takes: EMPTY }],
  [
    'POST /workers/{node}/{command}',
    {
      says: 'A command of remote control: ping, pool-grow, pool-shrink, autoscale, add-consumer, …',
      gives: 'Replies',
      takes: mapOf(anything),
    },
  ],
  ['POST /schedules', { says: 'Adds a schedule', gives: 'ScheduleChanged', takes: ref('ScheduleChange') }],
  [
    'PUT /schedules/{name}',
    { says: 'Sets a schedule', gives: 'ScheduleChanged', takes: ref('ScheduleChange') },
  ],
  ['DELETE /schedules/{name}', { says: 'Removes a schedule', gives: 'ScheduleChanged' }],
  ['POST /schedules/{name}/pause', { says: 'Pauses a schedule', gives: 'ScheduleChanged', takes: EMPTY }],
  ['POST /schedules/{name}/resume', { says: 'Resumes a schedule', gives: 'ScheduleChanged', takes: EMPTY }],
  [
    'POST /schedules/{name}/run-now',
    { says: 'Sends the task of a schedule now', gives: 'ScheduleChanged', takes: EMPTY },
  ],
]);

/** @param base where it is mounted, without a slash at its end */
export function openApiDocument(version: string, base: string): object {
  const paths = new Map<string, object>();
  for (const [call, described] of CALLS) {
    const [method = '', path = ''] = call.split(' ');
    paths.set(path, { ...paths.get(path), [method.toLowerCase()]: operation(method, path, described) });
  }
  return {
    openapi: '3.1.0',
    info: { title: 'celeriac', version, description: 'Tasks, workers, queues and schedules of an app.' },
    servers: [{ url: `${base}${API}` }],
    paths: Object.fromEntries(paths),
    components: { schemas: COMPONENTS },
  };
}

function operation(
  method: string,
  path: string,
  { says, gives, takes, query = [], type }: Described,
): object {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
  const parameters = [
    ...names.map((name) => ({ name, in: 'path', required: true, schema: text })),
    ...query.map(([name, schema, description]) => ({
      name,
      in: 'query',
      schema,
      ...(description !== '' && { description }),
    })),
  ];
  const schema = gives === undefined ? {} : { schema: ref(gives) };
  return {
    operationId: operationId(method, path),
    summary: says,
    ...(parameters.length > 0 && { parameters }),
    ...(takes !== undefined && { requestBody: { content: { 'application/json': { schema: takes } } } }),
    responses: {
      200: { description: says, content: { [type ?? 'application/json']: schema } },
      default: {
        description: 'Not done, and why',
        content: { 'application/json': { schema: ref('Error') } },
      },
    },
  };
}

/** `getRunsIdChunks` */
function operationId(method: string, path: string): string {
  const words = path.split(/[^A-Za-z]+/).filter((word) => word !== '');
  return method.toLowerCase() + words.map((word) => word[0]?.toUpperCase() + word.slice(1)).join('');
}
