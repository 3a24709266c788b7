/** A worker for batches, made to be killed: `batch-worker.js BROKER PREFIX LOCK_MS SIZE`. */
import { registerValues } from '../../support/batch-campaign.js';
import { campaignApp } from '../../support/campaign-app.js';

const [broker = '', prefix = '', lockMs = '', size = ''] = process.argv.slice(2);
const app = campaignApp('batches', { broker, prefix, lockMs: Number(lockMs) });
registerValues(app, Number(size));
// No worker outlives the test that started it.
process.on('disconnect', () => void app.close().then(() => process.exit()));
await app.worker({ concurrency: 3 }).start();
process.send?.('ready');
