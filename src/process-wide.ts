/**
 * What all copies of this package in one process have in common. Two do meet: one that the program installed and one
 * below a library of its own, or an ESM and a bundled one. A running task must be the same for both.
 */

/**
 * The thing of that name, made by whichever copy asks first.
 * @param name says what it is and in which form, since copies of two versions share it
 */
export function processWide<T extends object>(name: string, make: () => T): T {
  const key = Symbol.for(`celeriac.${name}`);
  const known: unknown = Reflect.get(globalThis, key);
  if (known !== undefined) return known as T;
  const made = make();
  Object.defineProperty(globalThis, key, { value: made });
  return made;
}
