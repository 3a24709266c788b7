/**
 * What publishers send and listeners read: a few events and whose they are, as text. NOTIFY and pub/sub channels are open
 * to whoever has the database or the Redis, so what arrives is read as a stranger's.
 */
import type { AppEvent } from './names.js';

/** A text on the wire. */
export interface Packet {
  /** The publishing app, by a name of its own. */
  readonly from: string;
  /** The number of its first event, counted by the publisher. */
  readonly at: number;
  readonly events: readonly AppEvent[];
}

/** The packet in a text; `undefined` for a text that no publisher of ours wrote. Never throws. */
export function readPacket(text: string): Packet | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(value)) return undefined;
  const { from, at, events } = value;
  if (typeof from !== 'string' || !isCount(at) || !Array.isArray(events)) return undefined;
  return events.every(isEvent) ? { from, at, events } : undefined;
}

/** Whether it has what every reader of an event relies on; the rest is for those who know its type. */
function isEvent(value: unknown): value is AppEvent {
  if (!isObject(value) || typeof value['type'] !== 'string' || !Number.isFinite(value['timestamp']))
    return false;
  if (value['type'].startsWith('worker-')) return typeof value['node'] === 'string';
  if (!value['type'].startsWith('task-')) return true;
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
