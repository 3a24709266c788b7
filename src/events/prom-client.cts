/** prom-client, where bundlers see it. */
const load = (): typeof import('prom-client') => require('prom-client');

export = { load };
