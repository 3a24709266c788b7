/**
 * Publishes the events that tasks send themselves. With a serializer that seals, the fleet gets their fields sealed:
 * listeners with the same serializer read them, and others see an event without fields.
 */
import type { BrokerClock } from '../../broker/clock.js';
import type { Events } from '../../events/events.js';
import type { AppEvent } from '../../events/names.js';
import type { Delivery } from '../../queue/delivery.js';
import type { OwnEvent } from '../../tasks/own-events.js';
import type { WireCodec } from '../../tasks/wire-codec.js';
import { taskFields } from './task-fields.js';

export interface OwnEventsParams {
  readonly events: Events;
  readonly clock: BrokerClock;
  readonly codec: WireCodec;
}

/** Publishes a task's event to the listeners of this process and to the fleet. */
export function publishOwnEvent(
  { events, codec, clock }: OwnEventsParams,
  delivery: Delivery,
  node: string,
  own: OwnEvent,
): void {
  if (!events.active) return;
  const [event, head] = eventOf(delivery, node, own, clock);
  const isSealed = codec.sealOf(delivery.name, delivery.message) !== undefined;
  events.emit(
    event,
    isSealed ? ({ ...head, sealed: codec.encodeMeta(own.fields, delivery) } as unknown as AppEvent) : event,
  );
}

/** Gives an event of a task that runs here and now to the listeners of this process alone. */
export function emitOwnEventHere(
  { events, clock }: Pick<OwnEventsParams, 'events' | 'clock'>,
  delivery: Delivery,
  node: string,
  own: OwnEvent,
): void {
  if (events.active) events.emitHere(eventOf(delivery, node, own, clock)[0]);
}

/** The event, and all of it but its fields. */
function eventOf(delivery: Delivery, node: string, { type, fields }: OwnEvent, clock: BrokerClock) {
  const head = { type, ...taskFields(delivery, { timestamp: clock.now(), node }) };
  // Its own fields cannot hide those of the head: `readOwnEvent` has refused them.
  return [{ ...head, ...fields } as unknown as AppEvent, head] as const;
}
