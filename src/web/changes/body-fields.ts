/** Reads the fields of a body; each refusal says which one is wrong. */
import { show } from '../../show.js';
import { Refusal } from '../http/refusal.js';

type Body = Readonly<Record<string, unknown>>;

/** @throws {Refusal} for a field of another name */
export function checkFields(body: Body, names: readonly string[]): void {
  for (const name of Object.keys(body))
    if (!names.includes(name))
      throw new Refusal(400, 'BAD_BODY', `The body has no field "${name}" here. ${fieldsText(names)}`);
}

function fieldsText(names: readonly string[]): string {
  return names.length === 0 ? 'It is empty.' : `It may have ${names.join(', ')}.`;
}

/** @throws {Refusal} */
export function textField(body: Body, name: string): string {
  const value = body[name];
  if (typeof value === 'string' && value !== '') return value;
  throw wrong(name, value, 'text');
}

/** @throws {Refusal} */
export function optionalText(body: Body, name: string): string | undefined {
  return body[name] === undefined || body[name] === null || body[name] === ''
    ? undefined
    : textField(body, name);
}

/** @throws {Refusal} */
export function flagField(body: Body, name: string): boolean {
  const value = body[name] ?? false;
  if (typeof value === 'boolean') return value;
  throw wrong(name, value, 'true or false');
}

/** @throws {Refusal} */
export function numberField(body: Body, name: string, usual?: number): number {
  const value = body[name] ?? usual;
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  if (typeof number === 'number' && Number.isFinite(number)) return number;
  throw wrong(name, value, 'a number');
}

/** @throws {Refusal} */
export function listField(body: Body, name: string): readonly unknown[] | undefined {
  const value = body[name];
  if (value === undefined || Array.isArray(value)) return value;
  throw wrong(name, value, 'a list');
}

/** @throws {Refusal} */
export function objectField(body: Body, name: string): Readonly<Record<string, unknown>> {
  const value = body[name] ?? {};
  if (typeof value === 'object' && !Array.isArray(value)) return value as Record<string, unknown>;
  throw wrong(name, value, 'an object');
}

function wrong(name: string, value: unknown, what: string): Refusal {
  return new Refusal(400, 'BAD_BODY', `${name} must be ${what}, not ${show(value)}.`);
}
