/** Nest, where bundlers see it. */
const common = (): typeof import('@nestjs/common') => require('@nestjs/common');
const core = (): typeof import('@nestjs/core') => require('@nestjs/core');
const hooks = (): typeof import('@nestjs/core/hooks/index.js') => require('@nestjs/core/hooks/index.js');

export = { common, core, hooks };
