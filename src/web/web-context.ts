/** What the handlers of requests work with. */
import { type Celeriac, partsOf } from '../app.js';
import type { Replies } from '../control/commands.js';
import type { QueueInfo } from '../control/queues.js';
import type { Logger } from '../options/logger.js';
import type { SerializerOption } from '../options/serializers.js';
import type { RunContext } from './runs/run-view.js';
import type { DeclaredTask, FleetReplies } from './views/fleet-replies.js';
import { Memo } from './views/memo.js';
import type { EventStreams } from './watch/event-streams.js';
import type { FleetWatch } from './watch/fleet-watch.js';
import type { WebSettings } from './web-options.js';

export interface WebContext {
  readonly app: Celeriac;
  readonly parts: ReturnType<typeof partsOf>;
  readonly settings: WebSettings;
  readonly watch: FleetWatch;
  readonly streams: EventStreams;
  readonly logger: () => Logger;
  /** What all workers say, asked for once for all who ask. */
  readonly fleet: Memo<FleetReplies>;
  readonly registered: Memo<Replies<string[]>>;
  readonly queues: Memo<QueueInfo[]>;
  /** The tasks that this process declares. */
  declared(): DeclaredTask[];
}

/** One call of the API. */
export interface ApiCall {
  readonly context: WebContext;
  /** The names in its path. */
  readonly params: ReadonlyMap<string, string>;
  readonly query: URLSearchParams;
  readonly body: Readonly<Record<string, unknown>>;
  readonly signal: AbortSignal;
  /** Where it is mounted, without a slash at its end. */
  readonly base: string;
  /** Who it is, where that is known. */
  readonly who: string | undefined;
}

/** Answers a call: with a value for JSON, or with a response of its own. */
export type ApiHandler = (call: ApiCall) => unknown;

/** How long answers of workers and sizes of queues count, ms. */
const FLEET_MS = 1_000;
const REGISTERED_MS = 5_000;
/** Counting many rows takes PostgreSQL long. */
const IDLE = 10;

export function makeContext(
  app: Celeriac,
  settings: WebSettings,
  watch: FleetWatch,
  streams: EventStreams,
): WebContext {
  const parts = partsOf(app);
  const { registry, logger } = parts.scheduling;
  return {
    app,
    parts,
    settings,
    watch,
    streams,
    logger,
    fleet: new Memo(async () => {
      const inspect = app.inspect();
      const [stats, active, conf] = await Promise.all([inspect.stats(), inspect.active(), inspect.conf()]);
      return { stats, active, conf };
    }, FLEET_MS),
    registered: new Memo(() => app.inspect().registered(), REGISTERED_MS),
    queues: new Memo(() => app.queues.list(), FLEET_MS, IDLE),
    declared: () =>
      registry.all().map(({ name, publish, run, checker }) => ({
        name,
        queue: publish.queue,
        options: optionsOf({ ...publish, ...run }),
        schema: checker?.schema() ?? null,
      })),
  };
}

/** For showing tasks now. */
export async function runContext({ parts }: WebContext): Promise<RunContext> {
  await parts.clock.sync();
  const { codec, results } = parts;
  return {
    now: parts.clock.now(),
    seal: codec.seal,
    sealOf: (name, message) => codec.sealOf(name, message),
    decodeArgs: (encoded) => codec.decodeArgs(encoded),
    decodeResult: (encoded) => codec.decodeResult(encoded),
    taskOf: results.decoding.taskOf,
  };
}

/** A name in the path of a call. */
export function param({ params }: Pick<ApiCall, 'params'>, name: string): string {
  return params.get(name) ?? '';
}

/** What was given; functions and defaults that say nothing are left out. */
function optionsOf(policy: object): Record<string, unknown> {
  const said = Object.entries(policy).filter(
    ([name, value]) => value !== undefined && typeof value !== 'function' && name !== 'namedErrors',
  );
  const { serializer }: { readonly serializer?: SerializerOption } = policy;
  return {
    ...Object.fromEntries(said),
    // One of the user's own may hold a key.
    ...(typeof serializer === 'object' && { serializer: serializer.name }),
  };
}
