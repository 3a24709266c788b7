/**
 * The options of `app.register(service, options)`.
 */
import { boolean } from '../options/checks.js';
import { checkNames } from '../options/names.js';

/** Options of `app.register`. */
export interface RegisterOptions {
  /** Let this instance take the class's calls over from another one. Default: false. */
  replace?: boolean;
}

/** @throws {OptionError} for an invalid option */
export function isReplacing(options: RegisterOptions): boolean {
  checkNames(options, ['replace'], 'app.register');
  return boolean(options.replace, false, 'app.register: replace');
}
