/**
 * The events that tasks send themselves (Celery: `send_event`): their names and fields, and what makes them valid. They
 * travel as those of celeriac do, beside them: a name or a field that celeriac has is refused.
 */
import { OptionError, PayloadTooLargeError } from '../errors.js';
import { show } from '../show.js';
import { checkJson } from './json-check.js';

/**
 * The events of your own, by name, with their fields. Declare them once: then `this.sendEvent` checks the fields, and
 * `app.on` and the loops of `app.events()` know them.
 * @example declare module 'celeriac' { interface OwnEvents { 'order-packed': { orderId: string } } }
 */
// biome-ignore lint/suspicious/noEmptyInterface: filled by declaration merging in users' programs
export interface OwnEvents {}

/** The fields that celeriac gives every event of a task, or may give it. */
export const TASK_FIELDS: readonly string[] = [
  'type',
  'timestamp',
  'id',
  'name',
  'shadow',
  'tags',
  'queue',
  'node',
  'pid',
  'retries',
  'sealed',
];

/** The names of your own events: those declared in {@link OwnEvents}, or any. */
export type OwnEventName = keyof OwnEvents | (string & Record<never, never>);

/** What `sendEvent` takes after the name of an event. */
export type OwnEventFields<N extends OwnEventName> = N extends keyof OwnEvents
  ? Record<never, never> extends OwnEvents[N]
    ? [fields?: OwnEvents[N]]
    : [fields: OwnEvents[N]]
  : [fields?: Readonly<Record<string, unknown>>];

/** A checked event of a task's own. */
export interface OwnEvent {
  readonly type: string;
  /** Plain JSON. */
  readonly fields: Readonly<Record<string, unknown>>;
}

const NAME = /^[\w.]+(-[\w.]+)+$/;
const LONGEST_NAME = 100;
/** What celeriac's own events begin with. */
const RESERVED = /^(task|worker|control|events)-/;
/** Most bytes of the fields as JSON: on PostgreSQL an event must fit into one notification. */
const MOST_BYTES = 6_000;

/** Whether an event of a task's own may have this name. */
export function isOwnEventName(name: unknown): name is string {
  return typeof name === 'string' && name.length <= LONGEST_NAME && NAME.test(name) && !RESERVED.test(name);
}

/**
 * Checks what a task gives to `sendEvent`.
 * @throws {OptionError} for a name or a field that cannot be one
 * @throws {NotSerializableError} with the path of what JSON would change
 * @throws {PayloadTooLargeError} above 6,000 bytes
 */
export function readOwnEvent(type: unknown, fields: unknown = {}): OwnEvent {
  if (!isOwnEventName(type))
    throw new OptionError(
      `sendEvent: ${show(type)} is not the name of an event. Use two or more words with dashes between them, as in ` +
        '"order-packed"; names that begin with task-, worker-, control- or events- are celeriac\'s.',
    );
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields))
    throw new OptionError(
      `sendEvent("${type}"): the fields must be an object such as { orderId: "7" }, not ${show(fields)}.`,
    );
  const taken = TASK_FIELDS.find((name) => Object.hasOwn(fields, name));
  if (taken !== undefined)
    throw new OptionError(
      `sendEvent("${type}"): the event has a field "${taken}" of celeriac's. Rename yours.`,
    );
  const { value } = checkJson(fields, 'fields');
  const bytes = Buffer.byteLength(JSON.stringify(value));
  if (bytes > MOST_BYTES)
    throw new PayloadTooLargeError(
      `sendEvent("${type}"): the fields take ${bytes} bytes, more than ${MOST_BYTES}. Send an id, and store the rest.`,
    );
  return { type, fields: value as OwnEvent['fields'] };
}
