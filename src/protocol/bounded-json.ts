/**
 * A bounded, plain-JSON picture of anything at all, for what is stored about errors: too long is cut and says so,
 * what JSON cannot carry is described, text is escaped for every engine. It must never throw, and never cost more
 * than its budget whatever it is given.
 */
import { isSecretName, MASK, maskUrl } from '../options/readable.js';
import { escapeText, setOwn } from '../text-escape.js';

const MAX_DEPTH = 8;
/** Of a discreet picture: a list of objects that hold lists, and no more. */
const DISCREET_DEPTH = 4;
const MAX_ITEMS = 1000;
const MAX_KEY_BYTES = 256;
const MAX_TEXT_BYTES = 8192;

/** How many bytes of JSON may still be written. */
export class Budget {
  /** Something was cut or left out. */
  truncated = false;

  /**
   * @param discreet for what is kept and shown around: secrets are masked by their names, what hangs on an error of a
   *   client (its request, response and settings) is left out, and a picture is shallow
   */
  constructor(
    private bytesLeft: number,
    readonly discreet = false,
  ) {}

  get left(): number {
    return this.bytesLeft;
  }

  /** Reserves `bytes`, or notes that they are missing. */
  take(bytes: number): boolean {
    if (bytes > this.bytesLeft) {
      this.truncated = true;
      return false;
    }
    this.bytesLeft -= bytes;
    return true;
  }

  /** Spends at most `bytes` of it on `body`. */
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
 * What HTTP clients, database drivers and the like hang on their errors: everything that was sent, headers with
 * credentials included. Under these names an object or list is left out; a text, such as a mail server's answer, stays.
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

/** A text, escaped and cut to at most `maxBytes` of JSON. */
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

/** A picture of `value`; undefined where JSON has nothing for it (functions, symbols) or the budget is spent. */
export function boundedJson(value: unknown, budget: Budget, ancestors: readonly unknown[] = []): unknown {
  try {
    return picture(value, budget, ancestors);
  } catch {
    // A throwing getter, toJSON or proxy trap: what cannot be read has no picture.
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

/** Copies one property, when it has a picture. */
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
    // A throwing getter: said in its place.
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

/** Looked over as far as it can be shown: what lies behind is cut anyway. */
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
