/**
 * Tags: short words on a task, by which it is found and revoked (Celery: stamps). They add up: those of the task, of
 * its call, of the workflow around it and of the task that called it.
 */
import { OptionError } from '../errors.js';
import { show } from '../show.js';

/** Most tags of a task. */
export const MOST_TAGS = 50;
/** Longest tag, characters. */
export const LONGEST_TAG = 200;

/** Reads the option `tags`. @throws {OptionError} for anything but a list of short, non-empty texts */
export function tagsOf(tags: unknown, where: string): readonly string[] {
  if (!Array.isArray(tags))
    throw new OptionError(`${where} must be a list, such as ['tenant:42'], not ${show(tags)}.`);
  for (const tag of tags as unknown[])
    if (typeof tag !== 'string' || tag === '' || tag.length > LONGEST_TAG)
      throw new OptionError(`${where}: ${show(tag)} must be a text of 1 to ${LONGEST_TAG} characters.`);
  const different = [...new Set(tags as string[])];
  if (different.length > MOST_TAGS)
    throw new OptionError(`${where} has ${different.length} tags; at most ${MOST_TAGS} are allowed.`);
  return different;
}

/** All tags of these lists, each once, in their order. */
export function allTags(...lists: readonly (readonly string[] | undefined)[]): readonly string[] {
  const some = lists.filter((list) => list !== undefined && list.length > 0);
  const [only] = some;
  if (only === undefined) return NO_TAGS;
  return some.length === 1 ? only : [...new Set(some.flatMap((list) => list ?? []))];
}

/** The tags of a task that has none. */
export const NO_TAGS: readonly string[] = Object.freeze([]);

/**
 * The tags of two layers of options together; nothing where only one has any. What is no list stays for its check.
 */
export function bothTags(lower: unknown, upper: unknown): { readonly tags: readonly string[] } | undefined {
  if (!Array.isArray(lower) || !Array.isArray(upper)) return undefined;
  return { tags: [...new Set([...(lower as string[]), ...(upper as string[])])] };
}
