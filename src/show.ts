/**
 * Shows a value in a message: short, on one line. Must never throw, and never show a function's source.
 */

const LONGEST = 80;

/** The value in a few words: `"text"`, `5`, `[1, "a"]`, `the class Mail`, `an object of class Date`. */
export function show(value: unknown): string {
  try {
    const shown = describe(value, 0);
    return shown.length <= LONGEST ? shown : `${shown.slice(0, LONGEST - 1)}…`;
  } catch {
    // A revoked proxy or a throwing getter: only the type is known.
    return `a value of type ${typeof value}`;
  }
}

function describe(value: unknown, depth: number): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'function') return describeFunction(value);
  if (typeof value !== 'object' || value === null) return String(value);
  if (Array.isArray(value)) return describeList(value, depth);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'an invalid Date' : value.toISOString();
  const tag: unknown = Reflect.get(Object.getPrototypeOf(value) ?? {}, 'constructor');
  const name = typeof tag === 'function' ? tag.name : '';
  return name === '' || name === 'Object' ? 'an object' : `an object of class ${name}`;
}

function describeFunction(value: { readonly name: string }): string {
  const kind = /^class\b/.test(Function.prototype.toString.call(value)) ? 'class' : 'function';
  return value.name === '' ? `a ${kind}` : `the ${kind} ${value.name}`;
}

function describeList(list: readonly unknown[], depth: number): string {
  if (depth > 1) return 'a list';
  const items = list.slice(0, 5).map((item) => describe(item, depth + 1));
  return `[${items.join(', ')}${list.length > items.length ? ', …' : ''}]`;
}
