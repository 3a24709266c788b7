/** A process that only watches one task: tells its states as they change, then its value, and ends by itself. */
import { Celeriac, type ResultJson } from 'celeriac';

const [broker = '', prefix = '', json = '{}'] = process.argv.slice(2);
const app = new Celeriac('observer', { broker, prefix });
const result = app.result(JSON.parse(json) as ResultJson);
for await (const update of result.updates()) process.send?.(update);
process.send?.({ value: await result.get() });
process.disconnect();
