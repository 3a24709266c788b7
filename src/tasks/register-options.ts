/**
 * What `app.register(service, options)` takes.
 */
import { boolean } from '../options/checks.js';
import { checkNames } from '../options/names.js';

/** What `app.register` takes beside the service. */
export interface RegisterOptions {
  /** Give the class's calls to this instance, though they go to another one. Default: false. */
  replace?: boolean;
}

/** @throws {OptionError} for an option that cannot be right */
export function isReplacing(options: RegisterOptions): boolean {
  checkNames(options, ['replace'], 'app.register');
  return boolean(options.replace, false, 'app.register: replace');
}
