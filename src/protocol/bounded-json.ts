/**
 * A bounded picture of any value as plain JSON, for the errors that celeriac stores. Long text is cut and marked as cut,
 * values without a JSON form are described, and text is escaped for every engine. This file must never throw, and must
 * never write more than its budget, whatever the value is.
 */
import { isSecretName, MASK, maskUrl } from '../options/readable.js';
import { escapeText, setOwn } from '../text-escape.js';

const MAX_DEPTH = 8;
/** Depth of a discreet picture: a list of objects that hold lists. */
const DISCREET_DEPTH = 4;
const MAX_ITEMS = 1000;
const MAX_KEY_BYTES = 256;
const MAX_TEXT_BYTES = 8192;

/** Counts down the bytes of JSON that may still be written. */
export class Budget {
  /** True once something was cut or left out. */
  truncated = false;

  /**
   * @param discreet for pictures that are stored and shown: masks secrets by their names, leaves out what a client
   *   attaches to its errors (request, response, settings), and keeps the picture shallow
   */
  constructor(
    private bytesLeft: number,
    readonly discreet = false,
  ) {}

  get left(): number {
    return this.bytesLeft;
  }

  /** Reserves `bytes`. `false`, and `truncated`, when they are not left. */
  take(bytes: number): boolean {
    if (bytes > this.bytesLeft) {
      this.truncated = true;
      return false;
    }
    this.bytesLeft -= bytes;
    return true;
  }

  /** Runs `body` with a budget of its own, of at most `bytes`, and charges what `body` used to this one. */
  part<R>(bytes: number, body: (part: Budget) => R): R {
    const size = Math.min(bytes, this.bytesLeft);
    const part = new Budget(size, this.discreet);
    const result = body(part);
    this.bytesLeft -= size - part.left;
    this.truncated ||= part.truncated;
    return result;
  }
}

/**
 * Properties that HTTP clients, database drivers and the like attach to their errors. They hold everything that was
 * sent, headers with credentials included. An object or list under these names is left out; a text, such as a mail
 * server's answer, stays.
 */
const LEFT_OUT: ReadonlySet<string> = new Set([
  'config',
  'request',
  'req',
  'response',
  'res',
  'headers',
  'socket',
  'agent',
  'client',
  'connection',
  'command',
  'parameters',
  'bindings',
]);

/** The text, escaped and cut to at most `maxBytes` of JSON (default 8,192). */
export function boundedText(text: string, budget: Budget, maxBytes = MAX_TEXT_BYTES): string {
  const limit = Math.min(maxBytes, budget.left);
  const whole = text.length <= limit ? escapeText(text) : undefined;
  if (whole !== undefined && budgetable(whole, limit, budget)) return whole;
  budget.truncated = true;
  const note = ` … [cut; ${text.length} characters]`;
  for (
    let length = Math.min(text.length, limit - note.length - 4);
    length > 0;
    length = Math.floor(length * 0.7)
  ) {
    const cut = escapeText(withoutHalfPair(text.slice(0, length))) + note;
    if (budgetable(cut, limit, budget)) return cut;
  }
  return '';
}

/** A picture of `value`; `undefined` when JSON has no form for the value (functions, symbols) or the budget is spent. */
export function boundedJson(value: unknown, budget: Budget, ancestors: readonly unknown[] = []): unknown {
  try {
    return picture(value, budget, ancestors);
  } catch {
    // A getter, toJSON or proxy trap threw: the value cannot be read.
    return boundedText('[unreadable]', budget);
  }
}

function picture(value: unknown, budget: Budget, ancestors: readonly unknown[]): unknown {
  switch (typeof value) {
    case 'string':
      return boundedText(budget.discreet ? discreetText(value) : value, budget);
    case 'number':
      if (!Number.isFinite(value)) return boundedText(String(value), budget);
      return budget.take(24) ? value : undefined;
    case 'boolean':
      return budget.take(6) ? value : undefined;
    case 'bigint':
      return boundedText(String(value), budget);
    case 'object':
      if (value === null) return budget.take(6) ? null : undefined;
      return pictureOfObject(value, budget, ancestors);
    default:
      return undefined;
  }
}

function pictureOfObject(value: object, budget: Budget, ancestors: readonly unknown[]): unknown {
  if (ancestors.includes(value)) return boundedText('[circular]', budget);
  if (ancestors.length >= (budget.discreet ? DISCREET_DEPTH : MAX_DEPTH)) {
    budget.truncated = true;
    return boundedText('[deep]', budget);
  }
  const inside = [...ancestors, value];
  if (Array.isArray(value)) return pictureOfArray(value, budget, inside);
  if (value instanceof Error) return boundedText(`[${value.name}: ${value.message}]`, budget);
  const toJson: unknown = 'toJSON' in value ? value.toJSON : undefined;
  if (typeof toJson === 'function' && !ArrayBuffer.isView(value)) {
    const form: unknown = toJson.call(value, '');
    return form === value ? pictureOfProperties(value, budget, inside) : boundedJson(form, budget, inside);
  }
  const tag = Object.prototype.toString.call(value);
  return tag === '[object Object]'
    ? pictureOfProperties(value, budget, inside)
    : boundedText(`[${tag.slice(8, -1)}]`, budget);
}

function pictureOfArray(array: readonly unknown[], budget: Budget, inside: readonly unknown[]): unknown {
  if (!budget.take(4)) return undefined;
  const items: unknown[] = [];
  for (let index = 0; index < array.length; index++) {
    if (index >= MAX_ITEMS || !budget.take(6)) {
      budget.truncated = true;
      break;
    }
    items.push(boundedJson(array[index], budget, inside) ?? null);
  }
  return items;
}

function pictureOfProperties(object: object, budget: Budget, inside: readonly unknown[]): unknown {
  if (!budget.take(4)) return undefined;
  const shown = {};
  const keys = Object.keys(object);
  for (let at = 0; at < keys.length; at++) {
    if (at >= MAX_ITEMS || budget.left < 16) {
      budget.truncated = true;
      break;
    }
    addBounded(shown, object, keys[at] as string, budget, inside);
  }
  return shown;
}

/** Copies one property as its picture; skips it when it has none. */
export function addBounded(
  target: object,
  source: object,
  key: string,
  budget: Budget,
  ancestors: readonly unknown[],
): void {
  let value: unknown;
  try {
    value = Reflect.get(source, key);
  } catch {
    // A getter threw: its property says so.
    value = '[unreadable]';
  }
  if (value === undefined || typeof value === 'function' || typeof value === 'symbol') return;
  if (budget.discreet) {
    if (typeof value === 'object' && LEFT_OUT.has(key)) return;
    if (isSecretName(key)) value = MASK;
  }
  const name = boundedText(key, budget, MAX_KEY_BYTES);
  const shown = boundedJson(value, budget, ancestors);
  if (shown !== undefined && budget.take(2)) setOwn(target, name, shown);
}

/** Masks secrets in the part of the text that can be shown; the rest will be cut anyway. */
function discreetText(text: string): string {
  const most = 2 * MAX_TEXT_BYTES;
  return text.length <= most ? maskUrl(text) : maskUrl(text.slice(0, most)) + text.slice(most);
}

function budgetable(text: string, limit: number, budget: Budget): boolean {
  const bytes = Buffer.byteLength(JSON.stringify(text)) + 1;
  return bytes <= limit && budget.take(bytes);
}

function withoutHalfPair(text: string): string {
  const last = text.charCodeAt(text.length - 1);
  return last >= 0xd800 && last <= 0xdbff ? text.slice(0, -1) : text;
}
