/** A worker of a fault campaign, made to be killed: `worker.js BROKER PREFIX LEDGER`. Says 'ready' once it consumes. */
import { LedgerWriter } from '../../support/fault-ledger.js';
import { faultApp, registerFaultTasks } from '../../support/fault-tasks.js';

const [broker = '', prefix = '', ledger = ''] = process.argv.slice(2);
const app = faultApp({ broker, prefix });
registerFaultTasks(app, new LedgerWriter(ledger));
const worker = app.worker({ concurrency: 10, name: `worker-${process.pid}` });
await worker.start();
process.send?.('ready');
process.on('message', async (message) => {
  if (message !== 'stop') return;
  await app.close();
  process.disconnect();
});
// No worker outlives the test that started it.
process.on('disconnect', () => void app.close());
