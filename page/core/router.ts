/**
 * Where the reader is: a path and a query in the address's hash, so that the page works under any mount, and every filter
 * can be bookmarked, sent to others and reloaded.
 */
import { Store, useStore } from './store.js';

export interface Route {
  /** Decoded: `['runs', 'an/id']`. */
  readonly path: readonly string[];
  readonly query: URLSearchParams;
}

export type Query = Readonly<Record<string, string | number | readonly string[] | null | undefined>>;

const route = new Store<Route>(parse(location.hash));

addEventListener('hashchange', () => route.set(parse(location.hash)));

export function useRoute(): Route {
  return useStore(route);
}

/** The address of a screen. Empty values are left out. */
export function link(path: readonly string[], query: Query = {}): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query))
    for (const each of Array.isArray(value) ? value : [value])
      if (each !== null && each !== undefined && each !== '') params.append(name, String(each));
  const search = params.size === 0 ? '' : `?${params}`;
  return `#/${path.map(encodeURIComponent).join('/')}${search}`;
}

export function go(address: string): void {
  location.hash = address;
}

/** Changes the query of the screen, which stays. A step of the history only with `push`. */
export function setQuery(changes: Query, { push = false } = {}): void {
  const { path, query } = route.value;
  const merged: Record<string, string | readonly string[] | number | null | undefined> = {};
  for (const name of new Set(query.keys())) merged[name] = query.getAll(name);
  const address = link(path, { ...merged, ...changes });
  if (push) {
    go(address);
    return;
  }
  history.replaceState(null, '', address);
  route.set(parse(address));
}

function parse(hash: string): Route {
  const text = hash.replace(/^#?\/?/, '');
  const mark = text.indexOf('?');
  const path = mark < 0 ? text : text.slice(0, mark);
  return {
    path: path.split('/').filter(Boolean).map(decode),
    query: new URLSearchParams(mark < 0 ? '' : text.slice(mark + 1)),
  };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
