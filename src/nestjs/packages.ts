/**
 * Nest itself, loaded when this entry point is first used and not before: whoever does not use Nest need not have it.
 * `require` of what the application has installed, so that both see the same classes.
 */
import { createRequire } from 'node:module';
import { OptionError } from '../errors.js';

const require = createRequire(import.meta.url);

/** @throws {OptionError} saying what to install */
export function nestCommon(): typeof import('@nestjs/common') {
  return load('@nestjs/common') as typeof import('@nestjs/common');
}

/** @throws {OptionError} saying what to install */
export function nestCore(): typeof import('@nestjs/core') {
  return load('@nestjs/core') as typeof import('@nestjs/core');
}

function load(name: string): unknown {
  try {
    return require(name);
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
