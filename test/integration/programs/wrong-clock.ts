/**
 * A process whose clock is off: says how its worker's start went, or calls a task with a countdown. Arguments: broker,
 * prefix, offset in ms, `work` or `call`.
 */
import { Celeriac } from 'celeriac';

const [broker = '', prefix = '', offset = '0', role = 'work'] = process.argv.slice(2);
const rightNow = Date.now;
const RightDate = Date;
Date.now = () => rightNow() + Number(offset);
// What `new Date()` reads, so that no other way to the right time is left.
globalThis.Date = class extends RightDate {
  constructor(...args: [] | [number | string]) {
    super(args.length === 0 ? Date.now() : args[0]);
  }
} as DateConstructor;

const app = new Celeriac('astray', { broker, prefix });
if (role === 'work') {
  try {
    await app.worker().start();
    process.send?.({ started: true });
  } catch (error) {
    process.send?.({ refused: String(error) });
  }
} else {
  const result = await app.sendTask('stamp', [], { countdown: '1s', expires: '1h' });
  process.send?.({ id: result.id });
}
await app.close();
process.disconnect();
