/**
 * Loads Nest when this entry point is first used and never before, so that projects without Nest need not install it.
 * It must be the application's copy, so that both use the same classes.
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

/** The hook functions that Nest's `close` calls, module by module. */
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
