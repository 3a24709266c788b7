/**
 * The port to a container of instances, for services registered as classes.
 */
import { OptionError } from '../errors.js';
import { show } from '../show.js';

/** Makes (or finds) the instance of a service class that was registered as a class. */
export interface Container {
  get<T>(cls: abstract new (...args: never[]) => T): T | Promise<T>;
  /** Called when a thread ends that has made this container, and never elsewhere: there it is yours to close. */
  close?(): void | Promise<void>;
}

/** The container of an app that was given none. */
export const PLAIN_CONTAINER: Container = { get: (cls) => new (cls as unknown as new () => never)() };

/** @throws {OptionError} */
export function checkContainer(given: unknown, where: string): Container {
  const container = given as Partial<Container> | null;
  if (typeof container?.get === 'function') return container as Container;
  throw new OptionError(
    `${where}: container must be an object { get(cls) } that gives an instance of the class; got ${show(container)}.`,
  );
}
