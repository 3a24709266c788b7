/**
 * Recognizes values with inner state that is not in their properties: a Map, a Promise, a Headers. It looks at their
 * tag, so that objects of another realm (a vm context, a test runner) are recognized too.
 */

/** The name of the JavaScript or Node class of `value`, if it has inner state; undefined for user classes. */
export function builtInName(value: object): string | undefined {
  if (ArrayBuffer.isView(value)) return value.constructor.name;
  const tag = Object.prototype.toString.call(value).slice(8, -1);
  if (tag === 'Object' || tag === 'Array') return undefined;
  const known = tag.endsWith('Iterator') || tag.endsWith('Generator') || tag.startsWith('Temporal.');
  // A tag of the user's own (Symbol.toStringTag) names no global class: that object is plain data.
  return known || (Object.hasOwn(globalThis, tag) && typeof Reflect.get(globalThis, tag) === 'function')
    ? tag
    : undefined;
}

/** True for an object literal, or an object without a prototype: all its properties are data. */
export function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** The `toJSON` method of an object, its own or inherited. */
export function toJsonMethod(value: object): ((key: string) => unknown) | undefined {
  const method: unknown = 'toJSON' in value ? value.toJSON : undefined;
  return typeof method === 'function' ? (method as (key: string) => unknown) : undefined;
}
