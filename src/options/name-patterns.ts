/** Patterns for the names of tasks: exact names, globs (`mail.*`, `?` for one character) and regular expressions. Pure. */

/** True for a text without wildcards. */
export function isExact(pattern: unknown): boolean {
  return typeof pattern === 'string' && !/[*?]/.test(pattern);
}

/** The pairs of a map, exact names first: they beat patterns in any position. */
export function exactFirst(map: object): readonly unknown[] {
  const pairs: (readonly [unknown, unknown])[] = map instanceof Map ? [...map] : Object.entries(map);
  return [
    ...pairs.filter(([pattern]) => isExact(pattern)),
    ...pairs.filter(([pattern]) => !isExact(pattern)),
  ];
}

/** Whether a name matches. */
export function matcherOf(pattern: string | RegExp): (name: string) => boolean {
  if (pattern instanceof RegExp) return (name) => name.search(pattern) >= 0;
  if (isExact(pattern)) return (name) => name === pattern;
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  const glob = new RegExp(`^${source}$`, 's');
  return (name) => glob.test(name);
}
