/**
 * An attempt as a span: named after its task, in the trace of the call it came from, annotated with how it ended.
 * Calls that the task makes continue the same trace, also from a thread.
 */
import { amended, type Delivery } from '../../queue/delivery.js';
import type { OpenSpan, Tracing } from '../../queue/tracing.js';
import type { Execution, Outcome } from './outcome.js';

export function tracedRun(
  tracing: Tracing,
  delivery: Delivery,
  node: string,
  run: (delivery: Delivery) => Promise<Execution>,
): Promise<Execution> {
  const plan = { name: delivery.name, kind: 'consumer', from: delivery.trace } as const;
  return tracing.span(plan, async (span) => {
    span.set({
      'messaging.system': 'celeriac',
      'messaging.operation.type': 'process',
      'messaging.destination.name': delivery.queue,
      'messaging.message.id': delivery.taskId,
      'celeriac.task.name': delivery.name,
      'celeriac.task.retries': delivery.retries,
      'celeriac.node': node,
    });
    const execution = await run(amended(delivery, { trace: span.trace }));
    describeOutcome(span, execution);
    count(tracing, delivery, execution);
    return execution;
  });
}

function describeOutcome(span: OpenSpan, { outcome }: Execution): void {
  if (outcome.kind === 'failure' || outcome.kind === 'retry') span.failed(outcome.error);
  if (outcome.kind === 'retry') span.event('retry', { 'celeriac.task.countdown': outcome.delayMs });
  if (outcome.kind === 'revoked') span.set({ 'celeriac.task.reason': outcome.reason });
  const state = STATES[outcome.kind];
  // Ignored, handed back, lost: this attempt gives the task no state.
  if (state === undefined) span.event(outcome.kind, {});
  else span.set({ 'celeriac.task.state': state });
}

const STATES: Readonly<Partial<Record<Outcome['kind'], string>>> = {
  success: 'SUCCESS',
  failure: 'FAILURE',
  retry: 'RETRY',
  wait: 'WAITING',
  revoked: 'REVOKED',
};

function count(tracing: Tracing, { name, queue }: Delivery, { outcome, runtimeMs }: Execution): void {
  if (outcome.kind === 'success') tracing.count('completed', name, queue, runtimeMs);
  if (outcome.kind === 'failure') tracing.count('failed', name, queue, runtimeMs);
  if (outcome.kind === 'retry') tracing.count('retried', name, queue, runtimeMs);
}
