/**
 * A worker for workflows that notes what ran: `flow-worker.js BROKER PREFIX LEDGER WORK`. Its tasks take up to WORK ms.
 * Lives until it is killed.
 */
import { crashApp } from '../../support/flow-shapes.js';

const [broker = '', prefix = '', ledger = '', workMs = ''] = process.argv.slice(2);
const { app } = crashApp({ broker, prefix, ledger }, { work: () => Math.random() * Number(workMs) });
await app.worker({ concurrency: 5 }).start();
process.send?.('ready');
