/**
 * The `routes` option: which queue (and options) a task goes to by its name. Pure; the first match wins.
 */
import { OptionError } from '../errors.js';
import type { CallOptions } from './call-options.js';
import { checkQueueName } from './checks.js';
import type { PublishOptions } from './task-options.js';

/** A queue name, or publish options. */
export type RouteTarget = string | PublishOptions;

/** Decides by name, arguments and options; `undefined` lets the next route decide. */
export type RouteFunction = (
  name: string,
  args: readonly unknown[],
  options: Readonly<CallOptions>,
) => RouteTarget | undefined;

/**
 * An ordered list, or a map. Patterns are exact names, globs (`mail.*`), regular expressions; a function decides alone.
 * @example routes: { 'mail.*': 'mail', 'report': { queue: 'slow', priority: 5 } }
 * @example routes: [[/^img\./, 'images'], (name) => (name.startsWith('x') ? 'x' : undefined)]
 */
export type Routes =
  | Readonly<Record<string, RouteTarget>>
  | readonly (readonly [string | RegExp, RouteTarget] | RouteFunction)[];

/** Routes, compiled. */
export type Router = RouteFunction;

/** @throws {OptionError} for an entry that is no route */
export function compileRoutes(routes: Routes | undefined, where: string): Router | undefined {
  if (routes === undefined) return undefined;
  const entries: readonly unknown[] = Array.isArray(routes) ? routes : Object.entries(routes);
  const compiled = entries.map((entry, i) => compileRoute(entry, `${where}[${i}]`));
  if (compiled.length === 0) return undefined;
  return (name, args, options) => {
    for (const route of compiled) {
      const target = route(name, args, options);
      if (target !== undefined) return target;
    }
    return undefined;
  };
}

function compileRoute(entry: unknown, where: string): RouteFunction {
  if (typeof entry === 'function') return entry as RouteFunction;
  const [pattern, target] = Array.isArray(entry) ? (entry as unknown[]) : [];
  if (
    !(typeof pattern === 'string' || pattern instanceof RegExp) ||
    (typeof target !== 'string' && typeof target !== 'object')
  ) {
    throw new OptionError(`${where}: a route is [pattern, queue or options] or a function.`);
  }
  if (typeof target === 'string') checkQueueName(target, where);
  const matches = matcherOf(pattern);
  return (name) => (matches(name) ? (target as RouteTarget) : undefined);
}

function matcherOf(pattern: string | RegExp): (name: string) => boolean {
  if (pattern instanceof RegExp) return (name) => name.search(pattern) >= 0;
  if (!/[*?]/.test(pattern)) return (name) => name === pattern;
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  const glob = new RegExp(`^${source}$`, 's');
  return (name) => glob.test(name);
}
