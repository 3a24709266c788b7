/**
 * The serializers that an app knows: the one that writes what no task or call says otherwise of, and all that it reads. A
 * task or a call may bring another one, which is known from then on.
 */
import { OptionError } from '../errors.js';
import type { SerializerOption } from '../options/serializers.js';
import { MOST_INFLATED } from './compression.js';
import { rich } from './rich.js';
import { json, type Reading, resolveSerializer, type Serializer } from './serializer.js';

export class Serializers implements Reading {
  /** Writes where nothing else is said. */
  readonly first: Serializer;
  readonly mostBytes: number;
  readonly #known = new Map<string, Serializer>([
    [json.name, json],
    [rich.name, rich],
  ]);

  /**
   * @param first the app's `serializer`; absent: the first of the others, else JSON
   * @param others the app's `serializers`
   * @param mostBytes what a compressed payload may hold
   * @throws {OptionError} for a name that is reserved, taken or unknown
   */
  constructor(first?: SerializerOption, others: readonly SerializerOption[] = [], mostBytes = MOST_INFLATED) {
    this.mostBytes = mostBytes;
    for (const other of others) this.of(other);
    this.first = this.of(first ?? others[0] ?? 'json');
  }

  /**
   * The serializer that an option means; the app reads what it writes from now on.
   * @throws {OptionError} for the name of none that is known, or a second one of a name
   */
  of(option: SerializerOption): Serializer {
    const known = this.#known.get(typeof option === 'string' ? option : option.name);
    if (typeof option === 'string') {
      if (known !== undefined) return known;
      throw new OptionError(
        `serializer: this app knows no serializer "${option}", but ${this.names()}. Add it to the app's option serializers.`,
      );
    }
    if (known === option) return option;
    if (known !== undefined && known !== json && known !== rich)
      throw new OptionError(
        `serializer: the app has another serializer with the name "${option.name}". Give each a name of its own: readers ` +
          'find them by it.',
      );
    const own = resolveSerializer(option);
    this.#known.set(own.name, own);
    return own;
  }

  named(name: string): Serializer | undefined {
    return this.#known.get(name);
  }

  names(): string {
    return [...this.#known.keys()].map((name) => `"${name}"`).join(', ');
  }
}
