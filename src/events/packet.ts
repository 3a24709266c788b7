/**
 * The wire format of events: a few events and their publisher, as text. Any client of the database or Redis can write
 * to NOTIFY and pub/sub channels, so incoming texts must be validated.
 */
import { isOwnEventName, TASK_FIELDS } from '../tasks/own-events.js';
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
 * @param opener gives what reads the sealed fields of the events of one packet; that may throw
 */
export function readPacket(text: string, opener: () => (sealed: unknown) => unknown): Packet | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(value)) return undefined;
  const { from, at, events } = value;
  if (typeof from !== 'string' || !isCount(at) || !Array.isArray(events)) return undefined;
  if (!events.every(isEvent)) return undefined;
  const open = opener();
  return { from, at, events: events.map((event) => opened(event, open)) };
}

/** A text without events: it says only that its sender is heard. */
export function emptyPacket(from: string): string {
  return JSON.stringify({ from, at: 0, events: [] });
}

/** The event with its sealed fields as they were; without them if they are for others. */
function opened(event: AppEvent, open: (sealed: unknown) => unknown): AppEvent {
  if (!('sealed' in event) || !isOwnEventName(event.type)) return event;
  const { sealed, ...head } = event;
  try {
    const fields = open(sealed);
    if (!isObject(fields)) return head as AppEvent;
    const own = Object.entries(fields).filter(([name]) => !TASK_FIELDS.includes(name));
    return { ...Object.fromEntries(own), ...head } as AppEvent;
  } catch {
    return head as AppEvent;
  }
}

/** True if an event has the fields that every reader relies on; the others are checked by type elsewhere. */
function isEvent(value: unknown): value is AppEvent {
  if (!isObject(value) || typeof value['type'] !== 'string' || !Number.isFinite(value['timestamp']))
    return false;
  if (!isOwnEventName(value['type']) && !NUMBERS.every((name) => isNumberOrAbsent(value[name]))) return false;
  if (value['type'].startsWith('worker-')) return typeof value['node'] === 'string';
  if (value['type'].startsWith('control-'))
    return typeof value['target'] === 'string' && isTextOrAbsent(value['who']);
  // Events of tasks, celeriac's and their own; what a later version may add has no id.
  if (!value['type'].startsWith('task-') && value['id'] === undefined) return true;
  return (
    typeof value['id'] === 'string' && typeof value['name'] === 'string' && isTextOrAbsent(value['queue'])
  );
}

/** Fields that are numbers wherever they are. */
const NUMBERS = ['freq', 'sentAt', 'eta', 'expires', 'runtime', 'countdown', 'pid', 'retries'] as const;

function isNumberOrAbsent(value: unknown): boolean {
  return value === undefined || Number.isFinite(value);
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
