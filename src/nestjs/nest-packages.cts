/** Nest, where bundlers see it. */
const common = (): typeof import('@nestjs/common') => require('@nestjs/common');
const core = (): typeof import('@nestjs/core') => require('@nestjs/core');

export = { common, core };
