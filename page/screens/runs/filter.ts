/** The filter of the runs as it stands in the address, and as the API takes it. */
import type { Query } from '../../core/router.js';
import { visible } from '../../core/text.js';

const TEXTS = ['name', 'queue', 'tag', 'worker', 'id', 'text'] as const;
const MOMENTS = ['after', 'before'] as const;
export const FIELDS = [...TEXTS, ...MOMENTS, 'state'] as const;

export type Filter = Readonly<Record<string, string | readonly string[]>>;

/** What the API takes: only what is set; the reader's moments are in their own zone. */
export function readFilter(query: URLSearchParams): Filter {
  const filter: Record<string, string | readonly string[]> = {};
  for (const name of TEXTS) {
    const value = query.get(name)?.trim();
    if (value) filter[name] = value;
  }
  for (const name of MOMENTS) {
    const at = new Date(query.get(name) ?? '');
    if (!Number.isNaN(at.getTime())) filter[name] = at.toISOString();
  }
  const states = query.getAll('state');
  if (states.length > 0) filter.state = states;
  return filter;
}

export function asQuery(filter: Filter, more: Query): Query {
  return { ...filter, ...more };
}

/** The filter in words, for those who are about to change all that match. */
export function inWords(filter: Filter): string {
  const parts = Object.entries(filter).map(
    ([name, value]) => `${name} ${visible(Array.isArray(value) ? value.join(' or ') : String(value))}`,
  );
  return parts.length === 0 ? 'no filter: every task there is' : parts.join(', ');
}
