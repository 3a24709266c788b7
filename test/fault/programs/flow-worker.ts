/** A worker for workflows that notes what ran: `flow-worker.js BROKER PREFIX`. Lives until it is killed. */
import { Redis } from 'ioredis';
import { crashApp } from '../../support/flow-shapes.js';

const [broker = '', prefix = ''] = process.argv.slice(2);
const ledger = new Redis(broker);
const { app } = crashApp(
  broker,
  prefix,
  async (flow, part) => void (await ledger.rpush(`${prefix}:ran:${flow}`, part)),
);
await app.worker({ concurrency: 5 }).start();
process.send?.('ready');
