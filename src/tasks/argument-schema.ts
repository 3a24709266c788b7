/**
 * The JSON schema of a task's argument list, for those who show a form for it: where a declaration is a schema that can say
 * itself as one (https://standardschema.dev/json-schema: zod, arktype). Nothing is ever checked with it.
 */
import { isStandardSchema, type StandardSchema } from './standard-schema.js';

export type JsonSchema = Readonly<Record<string, unknown>>;

const TARGET = 'draft-2020-12';
const PLAIN: ReadonlyMap<unknown, JsonSchema> = new Map<unknown, JsonSchema>([
  [String, { type: 'string' }],
  [Number, { type: 'number' }],
  [Boolean, { type: 'boolean' }],
  [Array, { type: 'array' }],
]);

/** @param specs what `args` of the task's options says; `undefined` when that says nothing a form could show */
export function argumentSchema(specs: readonly unknown[]): JsonSchema | undefined {
  const items = specs.map((spec) => PLAIN.get(spec) ?? schemaOf(spec));
  if (items.every((item) => item === undefined)) return undefined;
  const needed = specs.findLastIndex((spec) => !isOptional(spec)) + 1;
  return { type: 'array', prefixItems: items.map((item) => item ?? {}), minItems: needed };
}

function schemaOf(spec: unknown): JsonSchema | undefined {
  if (!isStandardSchema(spec)) return undefined;
  const { jsonSchema } = spec['~standard'] as StandardSchema['~standard'] & {
    readonly jsonSchema?: { readonly input?: (options: { target: string }) => unknown };
  };
  try {
    const schema = jsonSchema?.input?.({ target: TARGET });
    return typeof schema === 'object' && schema !== null ? (schema as JsonSchema) : undefined;
  } catch {
    // A schema with parts that JSON Schema has no words for.
    return undefined;
  }
}

function isOptional(spec: unknown): boolean {
  if (!isStandardSchema(spec)) return false;
  try {
    const result = spec['~standard'].validate(undefined);
    return !(result instanceof Promise) && result.issues === undefined;
  } catch {
    // A validator of the user's own that cannot bear it: then it is needed.
    return false;
  }
}
