/**
 * Values shared by all copies of this package in one process. Two copies do meet: one that the program installed and one
 * below a library, or an ESM and a bundled one. A running task must be the same for both.
 */

/**
 * The value of that name, made by the first copy that asks.
 * @param name must identify the value and its form, since copies of different versions share it
 */
export function processWide<T extends object>(name: string, make: () => T): T {
  const key = Symbol.for(`celeriac.${name}`);
  const known: unknown = Reflect.get(globalThis, key);
  if (known !== undefined) return known as T;
  const made = make();
  Object.defineProperty(globalThis, key, { value: made });
  return made;
}
