/**
 * Rebuilds results from `toJSON()`: a task's with its predecessors, a group's with its members. The JSON may come
 * from anywhere, so every part is validated. Must not read from the broker.
 */
import { OptionError } from '../errors.js';
import { AsyncResult, type ResultJson } from './async-result.js';
import { GroupResult, type GroupResultJson } from './group-result.js';
import type { RelatedJson } from './relations.js';
import type { ResultSource } from './result-source.js';

/**
 * The result of a task.
 * @param json a task id, or the JSON of a result
 * @throws {OptionError} for anything else
 */
export function taskResultFrom<R, C = unknown>(
  source: ResultSource,
  json: string | ResultJson,
): AsyncResult<R, C> {
  if (typeof json === 'string' && json !== '') return new AsyncResult<R, C>(source, json);
  if (!hasId(json)) throw new OptionError('app.result: give a task id, or the JSON of an AsyncResult.');
  const { id, name, ignoreResult, parent } = json;
  return new AsyncResult<R, C>(source, id, {
    ...(typeof name === 'string' && { name }),
    ...(ignoreResult === true && { ignoreResult }),
    ...(hasId(parent) && { parent: () => relatedFrom(source, parent) }),
  });
}

/**
 * The id of a group.
 * @param json the id, or the JSON of a group's result
 * @throws {OptionError} for anything else
 */
export function groupIdIn(json: string | GroupResultJson): string {
  const id: unknown = typeof json === 'string' ? json : json?.id;
  if (typeof id === 'string' && id !== '') return id;
  throw new OptionError('app.groupResult: give the id of a group, or the JSON of a GroupResult.');
}

/** The result of a group, from its JSON. */
function groupResultFrom(source: ResultSource, json: GroupResultJson): GroupResult {
  const { id, results, parent } = json;
  const members = results.filter(hasId).map((member) => taskResultFrom(source, member));
  return new GroupResult(source, id, members, hasId(parent) ? () => relatedFrom(source, parent) : undefined);
}

/** True for the JSON of a group's result. */
function isGroupJson(json: unknown): json is GroupResultJson {
  return hasId(json) && 'results' in json && Array.isArray(json.results);
}

function relatedFrom(source: ResultSource, json: RelatedJson): AsyncResult | GroupResult {
  return isGroupJson(json) ? groupResultFrom(source, json) : taskResultFrom(source, json);
}

function hasId(json: unknown): json is ResultJson {
  return (
    typeof json === 'object' && json !== null && 'id' in json && typeof json.id === 'string' && json.id !== ''
  );
}
