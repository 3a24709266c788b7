/**
 * The callbacks of a signature or workflow: links, called with its result, and errbacks, called with its error.
 * Duplicates are kept once.
 */
import { OptionError } from '../errors.js';
import { show } from '../show.js';
import type { Composable } from './typing.js';

export interface Callbacks {
  readonly links: readonly Composable[];
  readonly errbacks: readonly Composable[];
}

export const NO_CALLBACKS: Callbacks = Object.freeze({ links: [], errbacks: [] });

/** One callback, or several. */
export type CallbackOption = Composable | Iterable<Composable> | undefined;

export function withLink(callbacks: Callbacks, link: CallbackOption): Callbacks {
  return link === undefined ? callbacks : { ...callbacks, links: joined(callbacks.links, link, 'link') };
}

export function withErrback(callbacks: Callbacks, errback: CallbackOption): Callbacks {
  return errback === undefined
    ? callbacks
    : { ...callbacks, errbacks: joined(callbacks.errbacks, errback, 'onError') };
}

function joined(known: readonly Composable[], more: CallbackOption, where: string): readonly Composable[] {
  const list = isIterable(more) ? [...more] : [more as Composable];
  for (const callback of list)
    if (typeof callback?.toJSON !== 'function')
      throw new OptionError(`${where}: give a signature, such as task.s(), not ${show(callback)}.`);
  // A single callback has no duplicate, so it need not be serialized for comparison.
  if (known.length + list.length === 1) return list;
  const texts = new Set(known.map(textOf));
  const fresh = list.filter((callback) => {
    const text = textOf(callback);
    if (texts.has(text)) return false;
    texts.add(text);
    return true;
  });
  return [...known, ...fresh];
}

function textOf(callback: Composable): string {
  return JSON.stringify(callback);
}

function isIterable(value: CallbackOption): value is Iterable<Composable> {
  return typeof value === 'object' && value !== null && Symbol.iterator in value;
}
