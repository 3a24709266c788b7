/**
 * What an app is a part of, when a framework made it: the command line, which has only the app, closes the whole. Noted
 * on the app itself, under a name that all copies of this package share.
 */
const HOST = Symbol.for('celeriac: host');

/** Something that has an app and is closed with it. */
export interface AppHost {
  /** Closes it, unless that was done. May be called twice. @param signal why, as the framework's hooks hear it */
  close(signal: string): Promise<void>;
}

/** Notes what `app` is a part of. */
export function setHost(app: object, host: AppHost): void {
  Object.defineProperty(app, HOST, { value: host, configurable: true });
}

/** What `app` is a part of; undefined where it stands alone. */
export function hostOf(app: object): AppHost | undefined {
  return Reflect.get(app, HOST) as AppHost | undefined;
}
