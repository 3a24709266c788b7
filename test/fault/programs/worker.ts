/** A worker of a fault campaign, made to be killed: `worker.js BROKER PREFIX LEDGER`. Says 'ready' once it consumes. */
import { BrokerUnavailableError, type Worker } from 'celeriac';
import { pause } from '../../support/app.js';
import { LedgerWriter } from '../../support/fault-ledger.js';
import { faultApp, registerFaultTasks } from '../../support/fault-tasks.js';

const [broker = '', prefix = '', ledger = ''] = process.argv.slice(2);
const app = faultApp({ broker, prefix });
registerFaultTasks(app, new LedgerWriter(ledger));
const worker = app.worker({ concurrency: 10, name: `worker-${process.pid}` });
// No worker outlives the test that started it.
process.on('disconnect', () => void app.close().then(() => process.exit()));
while (!(await started(worker))) await pause(50);
process.send?.('ready');
process.on('message', async (message) => {
  if (message !== 'stop') return;
  await app.close();
  process.disconnect();
});

/** A start that trouble cut short is made again, as the command line does. */
async function started(worker: Worker): Promise<boolean> {
  try {
    await worker.start();
    return true;
  } catch (error) {
    if (!(error instanceof BrokerUnavailableError)) throw error;
    return false;
  }
}
