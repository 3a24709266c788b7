/** Sends an order and prints its states until it ends. Takes the order's id as an argument. */
import { app, broker, orders } from './orders.js';

const id = process.argv[2] ?? '7';
const alone = /^(memory|file):/.test(broker);
// An embedded broker lives in this process, so its worker does as well. On Redis it is a process of its own.
if (alone) await app.worker({ concurrency: 1 }).start();

const result = await orders.order.delay(id);
console.log(`sent ${result.id}`);
for await (const { state, meta } of result.updates()) {
  console.log(state === 'WAITING' ? `WAITING ${JSON.stringify(meta)}` : state);
  const waits = state === 'WAITING' && (meta as { kind: string }).kind === 'wait';
  if (waits && alone) console.log(await result.send('approval', { by: 'ada', approved: true }));
  else if (waits) console.log(`approve it: node approve.js ${result.id} ada`);
}
console.log(await result.get());
await app.close();
