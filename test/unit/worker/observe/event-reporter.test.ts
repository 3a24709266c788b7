import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { reportSent } from '#src/calls/send-watch.js';
import { eventLine } from '#src/cli/live/event-text.js';
import type { AppEvent } from '#src/events/names.js';
import type { Delivery } from '#src/queue/delivery.js';
import type { Envelope } from '#src/queue/producer.js';
import { EventReporter } from '#src/worker/observe/event-reporter.js';

function telling(message: object) {
  const events: AppEvent[] = [];
  const afterwards: (() => Promise<void>)[] = [];
  const told = new EventReporter({
    events: { active: true, emit: (event: AppEvent) => void events.push(event) } as never,
    clock: { now: () => 1000 } as never,
    logger: console,
    node: () => 'node@here',
    running: () => 0,
    concurrency: () => 1,
    processed: () => 0,
    queues: () => [],
    place: 'worker',
  });
  const delivery = {
    taskId: 'id',
    jobId: 'id',
    name: 'mail.send',
    queue: 'mail',
    retries: 0,
    deliveries: 1,
    sentAt: 900,
    message: { v: 1, args: [], ...message },
    afterwards: (body: () => Promise<void>) => void afterwards.push(body),
  } as unknown as Delivery;
  const written = () => Promise.all(afterwards.splice(0).map((body) => body()));
  return { told, delivery, events, written };
}

describe('The name that a call gave with shadow', () => {
  it('is in every event of the task in its worker, and what people read', async () => {
    const { told, delivery, events, written } = telling({ shadow: 'mail to ada' });
    told.started(delivery);
    told.progress(delivery, { state: 'PROGRESS' });
    told.ended(delivery, {
      outcome: { kind: 'success', value: 1, encoded: 1 },
      task: undefined,
      runtimeMs: 5,
      started: true,
    });
    await written();
    assert.deepEqual(
      events.map((event) => [event.type, 'name' in event && event.name, 'shadow' in event && event.shadow]),
      ['task-received', 'task-started', 'task-progress', 'task-succeeded'].map((type) => [
        type,
        'mail.send',
        'mail to ada',
      ]),
    );
    for (const event of events) assert.match(eventLine(event), /mail to ada\[id\]/);
  });

  it('is in no event of a call without one', () => {
    const { told, delivery, events } = telling({});
    told.started(delivery);
    assert(events.length > 0 && events.every((event) => !('shadow' in event)));
    assert.match(eventLine(events[0] as AppEvent), /mail\.send\[id\]/);
  });

  it('is in the event of its sending', async () => {
    const sent: { readonly shadow?: string }[] = [];
    const watch = {
      active: true,
      settling: undefined,
      meet: async () => undefined,
      sending: (event: { readonly shadow?: string }) => {
        sent.push(event);
        return () => undefined;
      },
    };
    const envelope = { taskId: 'id', queue: 'mail', name: 'mail.send', sentAt: 1 } as Envelope;
    await reportSent(watch, envelope, { shadow: 'mail to ada' }, Promise.resolve());
    await reportSent(watch, envelope, {}, Promise.resolve());
    assert.deepEqual(
      sent.map((event) => event.shadow),
      ['mail to ada', undefined],
    );
  });
});
