/** A JSON schema of an argument list as fields of a form. What it cannot show so is typed as JSON. */

export type Schema = Readonly<Record<string, unknown>>;

export interface FormField {
  /** Where its value goes: the index of the argument, then names inside it. */
  readonly path: readonly (string | number)[];
  readonly label: string;
  readonly kind: 'text' | 'number' | 'integer' | 'boolean' | 'choice' | 'json';
  readonly required: boolean;
  readonly choices: readonly unknown[];
  readonly description: string;
  readonly initial: unknown;
}

/** @returns `undefined` when the schema says nothing that a form could show */
export function fieldsOf(schema: Schema | null): readonly FormField[] | undefined {
  if (schema === null) return undefined;
  const items = schema.prefixItems ?? (Array.isArray(schema.items) ? schema.items : undefined);
  if (!Array.isArray(items)) return undefined;
  const least = typeof schema.minItems === 'number' ? schema.minItems : items.length;
  return items.flatMap((item, index) => {
    const own = asSchema(item);
    return fieldsWithin(own, [index], titleOf(own) ?? `Argument ${index + 1}`, index < least);
  });
}

function fieldsWithin(
  schema: Schema,
  path: readonly (string | number)[],
  label: string,
  required: boolean,
): FormField[] {
  const properties = asSchema(schema.properties);
  if (schema.type === 'object' && Object.keys(properties).length > 0 && path.length < 3) {
    const needed = Array.isArray(schema.required) ? schema.required : [];
    return Object.entries(properties).flatMap(([name, each]) =>
      fieldsWithin(
        asSchema(each),
        [...path, name],
        titleOf(asSchema(each)) ?? name,
        required && needed.includes(name),
      ),
    );
  }
  return [
    {
      path,
      label,
      kind: kindOf(schema),
      required,
      choices: Array.isArray(schema.enum) ? schema.enum : [],
      description: typeof schema.description === 'string' ? schema.description : '',
      initial: schema.default,
    },
  ];
}

function kindOf({ type, enum: choices }: Schema): FormField['kind'] {
  if (Array.isArray(choices)) return 'choice';
  switch (type) {
    case 'string':
      return 'text';
    case 'number':
    case 'integer':
    case 'boolean':
      return type;
    default:
      return 'json';
  }
}

/** The argument list that a filled form means. Fields left empty are absent. */
export function argumentsFrom(
  fields: readonly FormField[],
  read: (index: number) => string | boolean,
): unknown[] {
  const args: unknown[] = [];
  fields.forEach((field, index) => {
    const value = meant(field, read(index));
    if (value !== undefined) put(args, field.path, value);
  });
  return Array.from(args, (each) => each ?? null);
}

function meant({ kind, label, choices, required }: FormField, given: string | boolean): unknown {
  if (kind === 'boolean') return given === true || given === 'on';
  const text = String(given);
  if (text === '') return required && kind === 'text' ? '' : undefined;
  switch (kind) {
    case 'text':
      return text;
    case 'choice':
      return choices[Number(text)];
    case 'number':
    case 'integer': {
      const value = Number(text);
      if (Number.isNaN(value)) throw new Error(`${label}: a number is needed.`);
      return value;
    }
    default:
      try {
        return JSON.parse(text);
      } catch {
        throw new Error(`${label}: JSON is needed, such as "text", 42 or {"key": true}.`);
      }
  }
}

function put(target: unknown[], path: readonly (string | number)[], value: unknown): void {
  let place: Record<string | number, unknown> = target as unknown as Record<number, unknown>;
  path.forEach((key, depth) => {
    if (depth === path.length - 1) {
      Object.defineProperty(place, key, { value, enumerable: true, configurable: true, writable: true });
      return;
    }
    if (!Object.hasOwn(place, key))
      Object.defineProperty(place, key, { value: {}, enumerable: true, configurable: true, writable: true });
    place = place[key] as Record<string, unknown>;
  });
}

function titleOf({ title }: Schema): string | undefined {
  return typeof title === 'string' && title !== '' ? title : undefined;
}

function asSchema(value: unknown): Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Schema) : {};
}
