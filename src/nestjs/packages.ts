/**
 * Nest itself, loaded when this entry point is first used and not before: whoever does not use Nest need not have it. It
 * has to be the application's, so that both see the same classes.
 */
import { OptionError } from '../errors.js';
import { loadPeer } from '../package-loading.js';
import packages from './nest-packages.cjs';

/** @throws {OptionError} saying what to install */
export function nestCommon(): typeof import('@nestjs/common') {
  return load('@nestjs/common', packages.common);
}

/** @throws {OptionError} saying what to install */
export function nestCore(): typeof import('@nestjs/core') {
  return load('@nestjs/core', packages.core);
}

/** What Nest's `close` calls, module by module. */
export function nestHooks(): typeof import('@nestjs/core/hooks/index.js') {
  return load('@nestjs/core/hooks/index.js', packages.hooks);
}

function load<T>(name: string, own: () => T): T {
  try {
    return loadPeer(name, own);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code !== 'MODULE_NOT_FOUND' && code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new OptionError(
      `celeriac/nestjs needs the package "${name}", which cannot be found. ` +
        'Run: npm install @nestjs/common @nestjs/core',
      { cause: error },
    );
  }
}
