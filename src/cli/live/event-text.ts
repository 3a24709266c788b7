/**
 * An event as one line for people. Names and texts come from anywhere and must never control the terminal.
 */
import type { FleetEvent } from '../../events/names.js';
import { TASK_FIELDS } from '../../tasks/own-events.js';
import { humanDuration } from '../text/human.js';
import { printable } from '../text/printable.js';
import { cutMiddle } from '../text/width.js';

/** `14:03:07.120 task-failed add[4f…] on celeriac@host after 12ms: RangeError: …` */
export function eventLine(event: FleetEvent): string {
  return `${clockText(event.timestamp, true)}  ${event.type.padEnd(16)}  ${eventText(event)}`;
}

/**
 * The event's text without its type and time.
 * @param nameWidth room for a name of a task or a node, so that a long one leaves some for the rest
 */
export function eventText(event: FleetEvent, nameWidth = Number.POSITIVE_INFINITY): string {
  // The call's `shadow`, if it has one.
  const name = 'name' in event ? (event.shadow ?? event.name) : undefined;
  const short = name === undefined ? {} : { name: cutMiddle(name, nameWidth) };
  const node = 'node' in event && event.node !== undefined ? { node: cutMiddle(event.node, nameWidth) } : {};
  return printable(wordsOf({ ...event, ...short, ...node } as FleetEvent));
}

/** Local time. */
export function clockText(at: number, withMs = false): string {
  const date = new Date(at);
  const two = (n: number) => String(n).padStart(2, '0');
  const text = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return withMs ? `${text}.${String(date.getMilliseconds()).padStart(3, '0')}` : text;
}

function wordsOf(event: FleetEvent): string {
  switch (event.type) {
    case 'events-lost':
      return `${event.count} events are missing here`;
    case 'worker-online':
      return `${event.node}, ${event.concurrency} slots, ${event.queues.join(' ')}`;
    case 'worker-heartbeat':
      return `${event.node}, ${event.active} running, ${event.processed} done`;
    case 'worker-offline':
      return `${event.node}, ${event.processed} done`;
    case 'worker-lost':
      return `${event.node} is not heard any more`;
    case 'task-sent':
      return `${event.name}[${event.id}] to ${event.queue}`;
    case 'task-received':
    case 'task-started':
      return `${event.name}[${event.id}] on ${event.node}`;
    case 'task-progress': {
      const meta = event.meta === undefined ? '' : ` ${JSON.stringify(event.meta)}`;
      return `${event.name}[${event.id}] ${event.state}${meta}`;
    }
    case 'task-succeeded':
      return `${event.name}[${event.id}] in ${humanDuration(event.runtime)}`;
    case 'task-failed':
      return `${event.name}[${event.id}] after ${humanDuration(event.runtime)}: ${event.exception}`;
    case 'task-retried':
      return `${event.name}[${event.id}] again in ${humanDuration(event.countdown)}: ${event.exception}`;
    case 'task-waiting':
      return `${event.name}[${event.id}] ${event.waits.map(({ kind, name }) => `${kind} "${name}"`).join(', ')}`;
    case 'task-revoked':
      return `${event.name}[${event.id}]${event.reason === undefined ? '' : `: ${event.reason}`}`;
    case 'task-rejected':
      return `${event.name}[${event.id}] ${event.requeue ? 'handed back' : 'for good'}`;
    default:
      if ('id' in event) return ownText(event);
      return `${event.target}, ${event.touched} touched${event.who === undefined ? '' : ` by ${event.who}`}`;
  }
}

/** An event that a task has sent itself: the task, and the fields of its own. */
function ownText(event: { readonly id: unknown; readonly name?: unknown }): string {
  const fields = Object.entries(event).filter(([field]) => !TASK_FIELDS.includes(field));
  const shown = fields.map(([field, value]) => ` ${field}=${JSON.stringify(value)}`);
  return `${event.name}[${event.id}]${shown.join('')}`;
}
