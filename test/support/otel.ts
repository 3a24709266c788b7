/**
 * OpenTelemetry with its spans kept in memory, behind BullMQ's telemetry interface: what an adapter such as bullmq-otel
 * does, as far as it matters here.
 */
import {
  type Context,
  context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import type { Telemetry } from 'celeriac';

const exporter = new InMemorySpanExporter();
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
const tracer = provider.getTracer('test');
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
propagation.setGlobalPropagator(new W3CTraceContextPropagator());

/** What has been counted and recorded: name, value and attributes. */
export interface Measure {
  readonly name: string;
  readonly value: number;
  readonly attributes: object;
}

export interface Otel {
  readonly telemetry: Telemetry;
  readonly measures: Measure[];
  /** All that have ended so far. */
  ended(): readonly ReadableSpan[];
  /** The ended spans of a trace, those deeper in it later, else by when they began. */
  spans(traceId: string): ReadableSpan[];
  /** Runs `body` in a span of the caller's own, and gives its trace. */
  within(name: string, body: () => Promise<unknown>): Promise<string>;
}

/** @param options `statusless`: an adapter that knows no more than BullMQ asks for */
export function otel({ statusless = false }: { readonly statusless?: boolean } = {}): Otel {
  const measures: Measure[] = [];
  const note =
    (name: string) =>
    (value: number, attributes: object = {}) =>
      void measures.push({ name, value, attributes });
  return {
    measures,
    telemetry: {
      tracer: {
        startSpan: (name, options, parent: Context) =>
          adapt(tracer.startSpan(name, { kind: (options?.kind ?? 0) as number }, parent), statusless),
      },
      contextManager: {
        with: (into: Context, fn) => context.with(into, fn),
        active: () => context.active(),
        root: () => ROOT_CONTEXT,
        getMetadata: (from: Context) => {
          const carrier = {};
          propagation.inject(from, carrier);
          return JSON.stringify(carrier);
        },
        fromMetadata: (base: Context, metadata) => propagation.extract(base, JSON.parse(metadata)),
      } as Telemetry['contextManager'],
      meter: {
        createCounter: (name) => ({ add: note(name) }),
        createHistogram: (name) => ({ record: note(name) }),
        createGauge: (name) => ({ record: note(name) }),
      },
    },
    ended: () => exporter.getFinishedSpans(),
    spans: (traceId) =>
      inOrder(exporter.getFinishedSpans().filter((span) => span.spanContext().traceId === traceId)),
    within: (name, body) =>
      context.with(ROOT_CONTEXT, () =>
        tracer.startActiveSpan(name, async (span) => {
          try {
            await body();
          } finally {
            span.end();
          }
          return span.spanContext().traceId;
        }),
      ),
  };
}

function adapt(span: Span, statusless: boolean): ReturnType<Telemetry['tracer']['startSpan']> {
  return Object.assign(
    {
      setSpanOnContext: (onto: Context) => trace.setSpan(onto, span),
      setAttribute: (key: string, value: never) => void span.setAttribute(key, value),
      setAttributes: (attributes: never) => void span.setAttributes(attributes),
      addEvent: (name: string, attributes?: never) => void span.addEvent(name, attributes),
      recordException: (exception: never) => span.recordException(exception),
      end: () => span.end(),
    },
    statusless ? {} : { setStatus: (status: never) => span.setStatus(status) },
  );
}

/** Clocks of spans tell milliseconds apart, not a call and what it calls: ancestors first. */
function inOrder(spans: readonly ReadableSpan[]): ReadableSpan[] {
  const byId = new Map(spans.map((span) => [span.spanContext().spanId, span]));
  const depth = (span: ReadableSpan): number => {
    const parent = byId.get(span.parentSpanContext?.spanId ?? '');
    return parent === undefined ? 0 : 1 + depth(parent);
  };
  const began = ({ startTime: [seconds, nanos] }: ReadableSpan) => seconds * 1e3 + nanos / 1e6;
  return [...spans].sort((a, b) => depth(a) - depth(b) || began(a) - began(b));
}

/** Whether a span says that it went wrong. */
export function isError(span: ReadableSpan): boolean {
  return span.status.code === SpanStatusCode.ERROR;
}
