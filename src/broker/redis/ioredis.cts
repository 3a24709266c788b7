/** ioredis, where bundlers see it. */
const load = (): unknown => require('ioredis');

export = { load };
