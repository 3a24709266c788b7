/**
 * Values that only a worker's options have: weights of queues, the range of its slots, its health port, sizes.
 */
import { OptionError } from '../errors.js';
import { show } from '../show.js';
import { checkQueueName } from './checks.js';
import { checkNames } from './names.js';

/** The range of a worker's slots. */
export interface AutoscaleOptions {
  /** Slots under load; 1 or more. */
  max: number;
  /** Slots without load. Default: 0. */
  min?: number;
}

/** {@link AutoscaleOptions}, resolved. */
export type AutoscaleRange = Required<AutoscaleOptions>;

/** The address of the health endpoint. */
export interface HealthOptions {
  /** 0 for any free port, see `worker.healthPort`. */
  port: number;
  /** Default: `127.0.0.1`; `0.0.0.0` for all. */
  host?: string;
}

/** Queues to consume: names, or names and weights. */
export type WorkerQueues = readonly string[] | Readonly<Record<string, number>>;

/** A queue and its weight. */
export interface WeightedQueue {
  readonly name: string;
  readonly weight: number;
}

/** @throws {OptionError} */
export function checkQueues(given: unknown, where: string): readonly WeightedQueue[] {
  if (typeof given !== 'object' || given === null)
    throw new OptionError(`${where} must be a list of names, or names and weights; got ${show(given)}.`);
  const weights: (readonly [string, unknown])[] = Array.isArray(given)
    ? given.map((name) => [name, 1])
    : Object.entries(given);
  const queues = weights.map(([name, weight]): [string, WeightedQueue] => {
    checkQueueName(name, where);
    if (!isCount(weight, 1))
      throw new OptionError(
        `${where}: the weight ${show(weight)} of "${name}" must be a whole number of 1 or more.`,
      );
    return [name, { name, weight }];
  });
  if (queues.length === 0) throw new OptionError(`${where} is empty; name at least one.`);
  return [...new Map(queues).values()];
}

/** @throws {OptionError} */
export function checkAutoscale(given: unknown, where: string): AutoscaleRange {
  if (typeof given !== 'object' || given === null)
    throw new OptionError(`${where} must be an object { max, min }; got ${show(given)}.`);
  checkNames(given, ['max', 'min'], where);
  const { max, min = 0 }: Partial<Record<string, unknown>> = given;
  if (!isCount(max, 1))
    throw new OptionError(`${where}: max ${show(max)} must be a whole number of 1 or more.`);
  if (!isCount(min, 0))
    throw new OptionError(`${where}: min ${show(min)} must be a whole number of 0 or more.`);
  if (min > max) throw new OptionError(`${where}: min ${min} is above max ${max}.`);
  return { max, min };
}

/** @throws {OptionError} */
export function checkHealth(given: unknown, where: string): Required<HealthOptions> {
  if (typeof given !== 'object' || given === null)
    throw new OptionError(`${where} must be an object { port, host }; got ${show(given)}.`);
  checkNames(given, ['port', 'host'], where);
  const { port, host = '127.0.0.1' }: Partial<Record<string, unknown>> = given;
  if (!isCount(port, 0) || port > 65_535)
    throw new OptionError(`${where}.port ${show(port)} must be a port: a whole number from 0 to 65535.`);
  if (typeof host !== 'string' || host === '')
    throw new OptionError(`${where}.host ${show(host)} must be a host name or an address.`);
  return { port, host };
}

/**
 * Bytes of a size with its unit, `200mb`; undefined for any other text. The only reader of sizes, for options and
 * flags.
 */
export function bytesOf(text: string): number | undefined {
  const [, amount = '', unit = ''] = /^(\d+(?:\.\d+)?)(kb|mb|gb)$/i.exec(text) ?? [];
  const factor = UNITS.get(unit.toLowerCase());
  return factor === undefined ? undefined : Number(amount) * factor;
}

const UNITS: ReadonlyMap<string, number> = new Map([
  ['kb', 1024],
  ['mb', 1024 ** 2],
  ['gb', 1024 ** 3],
]);

/** @throws {OptionError} for anything but a number of bytes or a size */
export function checkSize(size: unknown, where: string): number {
  const bytes = typeof size === 'string' ? bytesOf(size) : size;
  if (typeof bytes === 'number' && Number.isFinite(bytes) && bytes >= 1) return bytes;
  throw new OptionError(`${where} ${show(size)} must be a number of bytes, or a size such as '200mb'.`);
}

/** @throws {OptionError} */
export function checkNodeName(name: unknown, where: string): string {
  if (typeof name === 'string' && name !== '') return name;
  throw new OptionError(`${where} ${show(name)} must be a node's name, such as 'mail@%h'.`);
}

/** @throws {OptionError} */
export function checkModule(module: unknown, where: string): string {
  if (typeof module === 'string' && module !== '') return module;
  throw new OptionError(`${where} must be a file URL or a path, as import.meta.url is; got ${show(module)}.`);
}

/** True for a whole number of at least `least`. */
export function isCount(value: unknown, least: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= least;
}
