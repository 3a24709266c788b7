/** What DTOs need, where bundlers see it; the optional one in a `try`, by which they know that it may be missing. */
const classValidator = (): typeof import('class-validator') => require('class-validator');

/** @returns undefined where it is not installed */
function classTransformer(): typeof import('class-transformer') | undefined {
  try {
    return require('class-transformer');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}

export = { classValidator, classTransformer };
