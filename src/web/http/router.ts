/** Finds the route of a request. Pure. */
import type { WebAction } from '../web-options.js';

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

/** A way to call the API. Its path has names in braces, each for one segment: `/runs/{id}`. */
export interface Route<H> {
  readonly method: Method;
  readonly path: string;
  readonly action: WebAction;
  readonly handle: H;
}

/** What was found: a route with its parameters, the methods that there are instead, or nothing. */
export type Found<H> =
  | { readonly kind: 'route'; readonly route: Route<H>; readonly params: ReadonlyMap<string, string> }
  | { readonly kind: 'other method'; readonly methods: readonly Method[] }
  | { readonly kind: 'nothing' };

interface Compiled<H> {
  readonly route: Route<H>;
  readonly pattern: RegExp;
  readonly names: readonly string[];
}

export class Router<H> {
  readonly #compiled: readonly Compiled<H>[];

  /** The first route that matches is taken: `/runs/retry` stands before `/runs/{id}`. */
  constructor(routes: readonly Route<H>[]) {
    this.#compiled = routes.map(compile);
  }

  /** @param path as the URL has it, percent-encoded */
  find(method: string, path: string): Found<H> {
    const matching = this.#compiled.filter(({ pattern }) => pattern.test(path));
    // HEAD is GET without the body.
    const wanted = method === 'HEAD' ? 'GET' : method;
    for (const { route, pattern, names } of matching) {
      if (route.method !== wanted) continue;
      const values = pattern.exec(path)?.slice(1).map(decoded) ?? [];
      if (values.includes(undefined)) return { kind: 'nothing' };
      return { kind: 'route', route, params: new Map(names.map((name, i) => [name, values[i] ?? ''])) };
    }
    if (matching.length === 0) return { kind: 'nothing' };
    return { kind: 'other method', methods: [...new Set(matching.map(({ route }) => route.method))] };
  }
}

function compile<H>(route: Route<H>): Compiled<H> {
  const names = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
  const escaped = route.path.replaceAll('.', '\\.');
  const pattern = new RegExp(`^${escaped.replace(/\{\w+\}/g, '([^/]+)')}$`);
  return { route, pattern, names };
}

/** Undefined for text that is percent-encoded badly. */
function decoded(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}
