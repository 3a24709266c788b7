/** BullMQ, where bundlers see it. */
const load = (): unknown => require('bullmq');

export = { load };
