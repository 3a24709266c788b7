/**
 * What is called after a signature or workflow: links with its result, errbacks with what went wrong. Equal ones are kept
 * once.
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
  // One alone has no equal, and need not be written down to be compared.
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
