/**
 * The one way options are put over each other: an option that is undefined is absent, so what stands below it counts.
 * Spreading objects would let it win.
 */

/** Options without those that are undefined. */
export function present<T extends object>(options: T): Present<T> {
  for (const name in options) if (options[name] === undefined) return copyOfPresent(options);
  return options as Present<T>;
}

/** The options of each layer over those before it. */
export function merge<T extends object>(...layers: readonly (T | undefined)[]): T {
  const merged: Partial<T> = {};
  for (const layer of layers) if (layer !== undefined) Object.assign(merged, present(layer));
  return merged as T;
}

/** Options of which none is there and undefined: what may be undefined may be absent. */
export type Present<T> = {
  [K in keyof T as undefined extends T[K] ? never : K]: T[K];
} & { [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined> };

function copyOfPresent<T extends object>(options: T): Present<T> {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Present<T>;
}
