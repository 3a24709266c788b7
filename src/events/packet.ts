/**
 * The wire format of events: a few events and their publisher, as text. Any client of the database or Redis can write
 * to NOTIFY and pub/sub channels, so incoming texts must be validated.
 */
import type { AppEvent } from './names.js';

/** A decoded text. */
export interface Packet {
  /** The publisher's id. */
  readonly from: string;
  /** The number of its first event, counted by the publisher. */
  readonly at: number;
  readonly events: readonly AppEvent[];
}

/**
 * Decodes a packet; `undefined` for a text in another format. Never throws.
 * @param open reads the fields of an event that were sealed; may throw
 */
export function readPacket(text: string, open: (sealed: unknown) => unknown): Packet | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(value)) return undefined;
  const { from, at, events } = value;
  if (typeof from !== 'string' || !isCount(at) || !Array.isArray(events)) return undefined;
  return events.every(isEvent) ? { from, at, events: events.map((event) => opened(event, open)) } : undefined;
}

/** A text without events: it says only that its sender is heard. */
export function emptyPacket(from: string): string {
  return JSON.stringify({ from, at: 0, events: [] });
}

/** The event with its sealed fields as they were; without them if they are for others. */
function opened(event: AppEvent, open: (sealed: unknown) => unknown): AppEvent {
  if (!('sealed' in event)) return event;
  const { sealed, ...head } = event;
  try {
    const fields = open(sealed);
    return isObject(fields) ? ({ ...fields, ...head } as AppEvent) : (head as AppEvent);
  } catch {
    return head as AppEvent;
  }
}

/** True if an event has the fields that every reader relies on; the others are checked by type elsewhere. */
function isEvent(value: unknown): value is AppEvent {
  if (!isObject(value) || typeof value['type'] !== 'string' || !Number.isFinite(value['timestamp']))
    return false;
  if (value['type'].startsWith('worker-')) return typeof value['node'] === 'string';
  if (value['type'].startsWith('control-'))
    return typeof value['target'] === 'string' && isTextOrAbsent(value['who']);
  // Events of tasks, celeriac's and their own; what a later version may add has no id.
  if (!value['type'].startsWith('task-') && value['id'] === undefined) return true;
  return (
    typeof value['id'] === 'string' && typeof value['name'] === 'string' && isTextOrAbsent(value['queue'])
  );
}

function isTextOrAbsent(value: unknown): boolean {
  return value === undefined || typeof value === 'string';
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
