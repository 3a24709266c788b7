/**
 * Standard Schema (https://standardschema.dev): how zod, valibot and arktype declare one argument. The interface is
 * the specification's, so no validation library is a dependency.
 */
import type { Violation } from '../errors.js';
import type { ArgumentReader, Reading } from './argument-reader.js';

/** The part of Standard Schema v1 that is used here. */
export interface StandardSchema {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult | Promise<SchemaResult>;
    readonly types?: { readonly input: unknown; readonly output: unknown } | undefined;
  };
}

type SchemaResult =
  | { readonly value: unknown; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** Schemas are objects, and functions in arktype. */
export function isStandardSchema(spec: unknown): spec is StandardSchema {
  if ((typeof spec !== 'object' && typeof spec !== 'function') || spec === null) return false;
  const standard: unknown = '~standard' in spec ? spec['~standard'] : undefined;
  return typeof standard === 'object' && standard !== null && 'validate' in standard;
}

/** Reads an argument through its schema, and returns the schema's output. */
export function schemaReader(schema: StandardSchema): ArgumentReader {
  return (value, path) => {
    const result = schema['~standard'].validate(value);
    return result instanceof Promise ? result.then((late) => reading(late, path)) : reading(result, path);
  };
}

function reading(result: SchemaResult, path: string): Reading {
  if (result.issues === undefined) return { value: result.value, violations: [] };
  return { value: undefined, violations: result.issues.map((issue) => violation(issue, path)) };
}

function violation(issue: SchemaIssue, path: string): Violation {
  const keys = (issue.path ?? []).map((step) => String(typeof step === 'object' ? step.key : step));
  return { path: [path, ...keys].join('.'), message: issue.message };
}
