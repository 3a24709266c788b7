/** A worker for tasks of steps, made to be killed: `step-worker.js BROKER PREFIX LOCK_MS LEDGER LONGEST_MS`. */
import { BrokerUnavailableError } from 'celeriac';
import { pause } from '../../support/app.js';
import { campaignApp } from '../../support/campaign-app.js';
import { registerJourney } from '../../support/step-campaign.js';

const [broker = '', prefix = '', lockMs = '', ledger = '', longestMs = ''] = process.argv.slice(2);
const app = campaignApp('steps', { broker, prefix, lockMs: Number(lockMs) });
registerJourney(app, ledger, Number(longestMs));
// No worker outlives the test that started it.
process.on('disconnect', () => void app.close().then(() => process.exit()));
for (;;) {
  try {
    await app.worker({ concurrency: 10 }).start();
    break;
  } catch (error) {
    // A start that trouble cut short is made again, as the command line does.
    if (!(error instanceof BrokerUnavailableError)) throw error;
    await pause(50);
  }
}
process.send?.('ready');
