/**
 * The version of this package. `npm version` keeps it in step with package.json; a test compares the two.
 */
export const VERSION = '0.1.0';
