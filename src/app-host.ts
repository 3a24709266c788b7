/**
 * The host of an app that a framework made, so that the command line, which has only the app, can close the whole
 * application. Stored on the app itself, under a symbol that all copies of this package share.
 */
const HOST = Symbol.for('celeriac: host');

/** An application that contains an app and is closed with it. */
export interface AppHost {
  /** Closes the application. May be called twice. @param signal the reason to pass to the framework's hooks */
  close(signal: string): Promise<void>;
}

/** Sets the host of `app`. */
export function setHost(app: object, host: AppHost): void {
  Object.defineProperty(app, HOST, { value: host, configurable: true });
}

/** The host of `app`; `undefined` for an app without one. */
export function hostOf(app: object): AppHost | undefined {
  return Reflect.get(app, HOST) as AppHost | undefined;
}
