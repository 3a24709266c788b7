/** The schemas of what the API gives and takes: the types of `api.ts`, for programs in any language. Pure. */
import {
  anything,
  count,
  extended,
  flag,
  listOf,
  mapOf,
  moment,
  number,
  object,
  oneOf,
  orNull,
  ref,
  type Schema,
  text,
} from './schema.js';

const error = object({ name: text, message: text });
const rates = { sent: number, started: number, succeeded: number, failed: number, retried: number };
const kind = oneOf('task', 'chain', 'group', 'chord');
const link = object({ id: text, name: text, state: text });

const run = object({
  id: text,
  name: text,
  state: text,
  queue: text,
  tags: listOf(text),
  args: text,
  worker: orNull(text),
  attempt: count,
  retries: count,
  deliveries: count,
  priority: orNull(number),
  parentId: orNull(text),
  rootId: text,
  workflowId: orNull(text),
  sentAt: orNull(moment),
  startedAt: orNull(moment),
  doneAt: orNull(moment),
  eta: orNull(moment),
  runtime: orNull(number),
  wait: orNull(number),
  error: orNull(error),
  meta: anything,
});

const runs = {
  Run: run,
  RunList: object({ runs: listOf(ref('Run')), next: orNull(text), looked: count, complete: flag }),
  RunFilter: object({
    'state?': { anyOf: [text, listOf(text)] },
    'name?': text,
    'queue?': text,
    'tag?': text,
    'worker?': text,
    'id?': text,
    'text?': text,
    'after?': moment,
    'before?': moment,
  }),
  RunDetail: extended(ref('Run'), {
    argsFull: anything,
    headers: mapOf(anything),
    options: mapOf(anything),
    value: anything,
    stack: orNull(text),
    attempts: listOf(
      object({
        attempt: count,
        startedAt: orNull(moment),
        endedAt: orNull(moment),
        worker: orNull(text),
        error: orNull(object({ name: text, message: text, stack: orNull(text) })),
      }),
    ),
    steps: listOf(
      object({ name: text, kind: oneOf('step', 'sleep', 'wait'), startedAt: moment, doneAt: orNull(moment) }),
    ),
    stream: orNull(object({ attempt: count, first: count, next: count })),
    children: listOf(link),
    ancestors: listOf(link),
    timeline: listOf(object({ at: moment, what: text, detail: orNull(text) })),
  }),
  ChunkList: object({
    chunks: listOf(object({ index: count, at: orNull(moment), value: anything })),
    next: count,
    attempt: count,
  }),
  RunGraph: object({
    kind,
    nodes: listOf(
      object({
        id: text,
        name: text,
        state: text,
        kind,
        parent: orNull(text),
        'count?': count,
        'states?': mapOf(count),
        'folded?': flag,
      }),
    ),
    edges: listOf(object({ from: text, to: text })),
    total: count,
    shown: count,
  }),
};

const sizes = {
  waiting: count,
  active: count,
  delayed: count,
  waitingChildren: count,
  failed: count,
  finished: count,
};

const fleet = {
  Overview: object({
    app: text,
    broker: text,
    versions: object({ celeriac: text, node: text, bullmq: text }),
    at: moment,
    readOnly: flag,
    since: orNull(moment),
    rates: object({ perSecond: object(rates) }),
    series: listOf(
      object({
        at: moment,
        ...rates,
        runtimeP50: orNull(number),
        runtimeP95: orNull(number),
        waitP50: orNull(number),
        waitP95: orNull(number),
      }),
    ),
    queues: object({ count, paused: count, ...sizes }),
    workers: object({ online: count, busy: count, slots: count }),
    failures: listOf(ref('Run')),
  }),
  TaskList: object({
    tasks: listOf(
      object({
        name: text,
        queues: listOf(text),
        nodes: listOf(text),
        counts: mapOf(count),
        p50: orNull(number),
        p95: orNull(number),
        failureRate: orNull(number),
        lastError: orNull(object({ name: text, message: text, at: moment, id: text })),
        schema: orNull(mapOf(anything)),
        options: orNull(mapOf(anything)),
      }),
    ),
  }),
  WorkerList: object({
    workers: listOf(
      object({
        node: text,
        online: flag,
        pool: orNull(text),
        pid: orNull(count),
        host: orNull(text),
        version: orNull(text),
        concurrency: orNull(count),
        slots: orNull(object({ size: count, used: count, free: number })),
        autoscale: orNull(object({ min: count, max: count })),
        queues: listOf(text),
        cpu: orNull(number),
        memory: orNull(number),
        uptime: orNull(number),
        processed: orNull(count),
        failed: orNull(count),
        active: listOf(ref('Run')),
        limits: mapOf(anything),
        error: orNull(text),
      }),
    ),
  }),
  QueueList: object({
    queues: listOf(
      object({
        name: text,
        paused: flag,
        ...sizes,
        rate: orNull(number),
        latency: orNull(number),
        workers: listOf(text),
      }),
    ),
  }),
  FailedList: object({
    groups: listOf(
      object({ error: text, message: text, task: text, count, first: text, last: text, ids: listOf(text) }),
    ),
    looked: count,
    complete: flag,
  }),
  LimitList: object({
    limits: listOf(
      object({
        task: text,
        rate: orNull(text),
        concurrency: orNull(number),
        timeLimit: orNull(number),
        softTimeLimit: orNull(number),
      }),
    ),
  }),
};

const bounds = {
  'timezone?': text,
  'startAt?': text,
  'endAt?': text,
  'jitter?': { anyOf: [text, number] },
  'catchUp?': oneOf('last', 'all', 'none'),
};

const schedules = {
  ScheduleSpec: {
    anyOf: [
      object({ kind: { const: 'every' }, every: { anyOf: [text, number] }, 'aligned?': flag, ...bounds }),
      object({ kind: { const: 'crontab' }, crontab: text, ...bounds }),
      object({ kind: { const: 'at' }, at: text, ...bounds }),
      object({ kind: { const: 'own' }, ...bounds }),
    ],
  },
  Schedule: object({
    name: text,
    task: text,
    spec: ref('ScheduleSpec'),
    text,
    args: listOf(anything),
    options: mapOf(anything),
    paused: flag,
    source: oneOf('code', 'runtime'),
    next: listOf(moment),
    lastAt: orNull(moment),
    lastTaskId: orNull(text),
    history: listOf(object({ at: moment, taskId: orNull(text), late: orNull(number) })),
  }),
  ScheduleList: object({ schedules: listOf(ref('Schedule')) }),
  ScheduleChange: object({
    'name?': text,
    task: text,
    spec: ref('ScheduleSpec'),
    'args?': listOf(anything),
    'options?': mapOf(anything),
  }),
  ScheduleChanged: object({ touched: count, 'schedule?': ref('Schedule'), 'id?': text }),
};

const changes = {
  Changed: object({
    touched: count,
    refused: listOf(object({ id: text, why: text })),
    complete: { ...flag, description: 'false: time was up; ask again for the rest' },
  }),
  Touched: object({ touched: count }),
  Called: object({ id: text, touched: count }),
  Replies: object({ touched: count, replies: mapOf(anything) }),
  Error: object({ code: text, message: text }),
};

export const COMPONENTS: { readonly [name: string]: Schema } = {
  ...runs,
  ...fleet,
  ...schedules,
  ...changes,
};
