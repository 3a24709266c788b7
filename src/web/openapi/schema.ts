/** JSON schemas in few words, for the OpenAPI document. Pure. */

/** A JSON schema (2020-12). */
export interface Schema {
  readonly [keyword: string]: unknown;
}

export const text: Schema = { type: 'string' };
export const moment: Schema = { type: 'string', format: 'date-time' };
export const number: Schema = { type: 'number' };
export const count: Schema = { type: 'integer', minimum: 0 };
export const flag: Schema = { type: 'boolean' };
/** Any JSON. */
export const anything: Schema = {};

/** Or `null`. */
export function orNull(schema: Schema): Schema {
  return typeof schema.type === 'string'
    ? { ...schema, type: [schema.type, 'null'] }
    : { anyOf: [schema, { type: 'null' }] };
}

export function listOf(items: Schema): Schema {
  return { type: 'array', items };
}

/** An object with other names for each of its values. */
export function mapOf(values: Schema): Schema {
  return { type: 'object', additionalProperties: values };
}

export function oneOf(...values: readonly string[]): Schema {
  return { type: 'string', enum: values };
}

/** An object. A name that ends in `?` may be absent. */
export function object(properties: { readonly [name: string]: Schema }): Schema {
  const entries = Object.entries(properties).map(
    ([name, schema]) => [name.replace(/\?$/, ''), schema] as const,
  );
  const required = Object.keys(properties).filter((name) => !name.endsWith('?'));
  return {
    type: 'object',
    properties: Object.fromEntries(entries),
    ...(required.length > 0 && { required }),
  };
}

/** An object of one schema, and more fields. */
export function extended(base: Schema, more: { readonly [name: string]: Schema }): Schema {
  return { allOf: [base, object(more)] };
}

/** A schema of the document, by its name. */
export function ref(name: string): Schema {
  return { $ref: `#/components/schemas/${name}` };
}
