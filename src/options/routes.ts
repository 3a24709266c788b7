/**
 * The `routes` option: chooses a task's queue and options by its name. Pure. The first match wins; in a map an exact
 * name comes before patterns.
 */
import { OptionError } from '../errors.js';
import { show } from '../show.js';
import { type CallOptions, ROUTE, type RouteOptions, resolveCall } from './call-options.js';
import { checkQueueName } from './checks.js';
import { exactFirst, matcherOf } from './name-patterns.js';
import { checkDeclared, type DeclaredQueues } from './queues.js';

/** A queue name, or options of the call. */
export type RouteTarget = string | RouteOptions;

/** Decides by name, arguments and options; `undefined` lets the next route decide. */
export type RouteFunction = (
  name: string,
  args: readonly unknown[],
  options: Readonly<CallOptions>,
) => RouteTarget | undefined;

/** A pattern and the target of its matches; a function is called for each match. */
export type RoutePair = readonly [string | RegExp, RouteTarget | RouteFunction];

/** Routes by pattern: exact names and globs, in a `Map` regular expressions too. */
export type RouteMap =
  | Readonly<Record<string, RouteTarget | RouteFunction>>
  | ReadonlyMap<string | RegExp, RouteTarget | RouteFunction>;

/**
 * An ordered list, a map, or one function. Patterns are exact names, globs (`mail.*`) and regular expressions; a
 * function without a pattern decides alone. In a list the first match wins; in a map an exact name wins in any
 * position, then the first match. The task's own options beat routes.
 * @example routes: { 'mail.*': 'mail', 'report': { queue: 'slow', priority: 5 } }
 * @example routes: [[/^img\./, 'images'], (name) => (name.startsWith('x') ? 'x' : undefined)]
 */
export type Routes = RouteFunction | RouteMap | readonly (RoutePair | RouteFunction | RouteMap)[];

/** Routes, compiled. */
export type Router = RouteFunction;

/**
 * @param queues the queues that routes may name; undefined: any
 * @throws {OptionError} for an invalid entry
 */
export function compileRoutes(
  routes: Routes | undefined,
  where: string,
  queues?: DeclaredQueues,
): Router | undefined {
  if (routes === undefined) return undefined;
  const entries: readonly unknown[] = Array.isArray(routes)
    ? routes.flatMap((entry: unknown) => (isMap(entry) ? exactFirst(entry) : [entry]))
    : typeof routes === 'function'
      ? [routes]
      : isMap(routes)
        ? exactFirst(routes)
        : refuse(where, routes);
  const compiled = entries.map((entry, i) => compileRoute(entry, `${where}[${i}]`, queues));
  if (compiled.length === 0) return undefined;
  return (name, args, options) => {
    for (const route of compiled) {
      const target = route(name, args, options);
      if (target !== undefined) return target;
    }
    return undefined;
  };
}

function compileRoute(entry: unknown, where: string, queues: DeclaredQueues): RouteFunction {
  if (typeof entry === 'function') return checked(entry as RouteFunction, where, queues);
  const [pattern, target] = Array.isArray(entry) ? (entry as unknown[]) : [];
  if (!(typeof pattern === 'string' || pattern instanceof RegExp)) return refuse(where, entry);
  const matches = matcherOf(pattern);
  if (typeof target === 'function') {
    const decide = checked(target as RouteFunction, where, queues);
    return (name, args, options) => (matches(name) ? decide(name, args, options) : undefined);
  }
  checkTarget(target, where, queues);
  if (typeof target === 'object') resolveCall(target, 0, where);
  return (name) => (matches(name) ? target : undefined);
}

/** Wraps a user's function and checks each of its results. */
function checked(decide: RouteFunction, where: string, queues: DeclaredQueues): RouteFunction {
  return (name, args, options) => {
    // `null` means "not mine", as in other routers.
    const target: unknown = decide(name, args, options) ?? undefined;
    if (target !== undefined) checkTarget(target, `${where}, for ${name}`, queues);
    return target as RouteTarget | undefined;
  };
}

function checkTarget(target: unknown, where: string, queues: DeclaredQueues): asserts target is RouteTarget {
  const isQueue = typeof target === 'string';
  if (isQueue) checkQueueName(target, where);
  else if (!isMap(target) || target instanceof Map) return refuse(where, target);
  else ROUTE.checkNames(target, where);
  const queue: unknown = isQueue ? target : Reflect.get(target, 'queue');
  if (typeof queue === 'string') checkDeclared(queues, queue, where);
}

function isMap(value: unknown): value is RouteMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Promise);
}

function refuse(where: string, given: unknown): never {
  throw new OptionError(
    `${where}: a route is [pattern, queue or options], a map of such, or a function that gives a queue, options or ` +
      `undefined; got ${show(given)}.`,
  );
}
