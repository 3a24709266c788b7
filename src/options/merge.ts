/**
 * The only code that merges layers of options. An undefined option counts as absent, so a lower layer's value applies;
 * spreading objects would let undefined win.
 */

/** Options without those that are undefined. */
export function present<T extends object>(options: T): Present<T> {
  for (const name in options) if (options[name] === undefined) return copyOfPresent(options);
  return options as Present<T>;
}

/** Merges the layers; later ones win. */
export function merge<T extends object>(...layers: readonly (T | undefined)[]): T {
  const merged: Partial<T> = {};
  for (const layer of layers) if (layer !== undefined) Object.assign(merged, present(layer));
  return merged as T;
}

/** The type of options without undefined values: an option that may be undefined may be absent instead. */
export type Present<T> = {
  [K in keyof T as undefined extends T[K] ? never : K]: T[K];
} & { [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined> };

function copyOfPresent<T extends object>(options: T): Present<T> {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Present<T>;
}
