/**
 * Traces, over the telemetry interface of BullMQ, so that its adapters (bullmq-otel) work unchanged. A trace is stored in
 * the job's own options, where BullMQ expects it, so traces continue to and from other BullMQ programs. Used only for an
 * app with the option `telemetry`.
 */
import { type Telemetry as BullmqTelemetry, MetricNames, SpanKind, TelemetryAttributes } from 'bullmq';

/** The option `telemetry`: BullMQ's interface, with a tracer, a context manager, and optionally a meter. */
export type Telemetry = BullmqTelemetry;

type BullmqSpan = ReturnType<Telemetry['tracer']['startSpan']>;
/** Attributes of a span; `undefined` values are left out. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** A span that has not ended. */
export interface OpenSpan {
  /** The trace from this span on, as text to send. */
  readonly trace: string;
  set(attributes: SpanAttributes): void;
  event(name: string, attributes: SpanAttributes): void;
  /** Records an error. */
  failed(error: unknown): void;
}

/** The description of a span to open. */
export interface SpanPlan {
  readonly name: string;
  /** Caller, worker, or a part of an attempt. */
  readonly kind: 'producer' | 'consumer' | 'internal';
  /** The trace in a message; without one, a worker begins its own. */
  readonly from?: string | undefined;
}

/** OpenTelemetry's code for the status "error". */
const STATUS_ERROR = 2;

/** Opens spans and counts attempts. */
export class Tracing {
  constructor(private readonly telemetry: Telemetry) {}

  /** Runs `body` in a span, which is active meanwhile. Records what `body` throws, and throws it on. */
  async span<R>(plan: SpanPlan, body: (span: OpenSpan) => Promise<R>): Promise<R> {
    const { tracer, contextManager } = this.telemetry;
    const context: unknown = this.#contextOf(plan);
    const kind = KINDS[plan.kind];
    const span = tracer.startSpan(plan.name, { kind }, context);
    try {
      const inside: unknown = span.setSpanOnContext(context);
      const open = openSpan(span, inside, contextManager.getMetadata(inside));
      return await contextManager.with(inside, () => body(open));
    } catch (error) {
      record(span, span.setSpanOnContext(context), error);
      throw error;
    } finally {
      span.end();
    }
  }

  /** The trace of the caller, as text to send. */
  current(): string {
    const { contextManager } = this.telemetry;
    return contextManager.getMetadata(contextManager.active());
  }

  /** Runs `body` in a trace from another process, within a span that is open there. */
  inside<R>(trace: string | undefined, body: () => R): R {
    const { contextManager } = this.telemetry;
    if (trace === undefined) return body();
    return contextManager.with(contextManager.fromMetadata(contextManager.active(), trace), body) as R;
  }

  /** Counts an ended attempt in BullMQ's metrics. Does nothing without a meter. */
  count(state: 'completed' | 'failed' | 'retried', task: string, queue: string, runtimeMs: number): void {
    const { meter } = this.telemetry;
    if (meter === undefined) return;
    const attributes = {
      [TelemetryAttributes.QueueName]: queue,
      [TelemetryAttributes.JobName]: task,
      [TelemetryAttributes.JobState]: state,
    };
    // Adapters cache their instruments; BullMQ also creates them each time.
    meter
      .createCounter(COUNTERS[state], { description: `Number of jobs ${state}`, unit: '1' })
      .add(1, attributes);
    meter
      .createHistogram(MetricNames.JobDuration, { description: 'Job processing duration', unit: 'ms' })
      .record(runtimeMs, attributes);
  }

  #contextOf({ kind, from }: SpanPlan): unknown {
    const { contextManager } = this.telemetry;
    if (kind !== 'consumer') return contextManager.active();
    // The worker's loop may have started within a span of the user's, which is unrelated to this task.
    const base: unknown = contextManager.root?.() ?? contextManager.active();
    return from === undefined ? base : contextManager.fromMetadata(base, from);
  }
}

const KINDS = {
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
  internal: SpanKind.INTERNAL,
} as const;

const COUNTERS = {
  completed: MetricNames.JobsCompleted,
  failed: MetricNames.JobsFailed,
  retried: MetricNames.JobsRetried,
} as const;

function openSpan(span: BullmqSpan, inside: unknown, trace: string): OpenSpan {
  return {
    trace,
    set: (attributes) => span.setAttributes(attributes),
    event: (name, attributes) => span.addEvent(name, attributes),
    failed: (error) => record(span, inside, error),
  };
}

function record(span: BullmqSpan, inside: unknown, error: unknown): void {
  const exception =
    error instanceof Error ? error : { name: typeof error, message: 'something was thrown that is no Error' };
  span.recordException(exception);
  span.setAttribute('error.type', exception.name);
  // setStatus is not in BullMQ's interface: an adapter may have it, and OpenTelemetry's own span does.
  for (const one of [span, wrappedIn(inside)]) {
    const setStatus: unknown = one === undefined ? undefined : Reflect.get(one, 'setStatus');
    if (one === undefined || typeof setStatus !== 'function') continue;
    Reflect.apply(setStatus, one, [{ code: STATUS_ERROR, message: exception.message }]);
    return;
  }
}

/** OpenTelemetry's own span in one of its contexts, under the key that its packages agree on. */
function wrappedIn(context: unknown): object | undefined {
  if (typeof context !== 'object' || context === null || !('getValue' in context)) return undefined;
  if (typeof context.getValue !== 'function') return undefined;
  const span: unknown = Reflect.apply(context.getValue, context, [SPAN_KEY]);
  return typeof span === 'object' && span !== null ? span : undefined;
}

const SPAN_KEY = Symbol.for('OpenTelemetry Context Key SPAN');
