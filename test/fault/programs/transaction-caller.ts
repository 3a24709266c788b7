/** Stores an order and sends its task in one transaction, and stops at each point until it is told to go on. */
import { Celeriac } from 'celeriac';
import pg from 'pg';

const [url = '', prefix = '', stopAt = ''] = process.argv.slice(2);
const app = new Celeriac('shop', { broker: url, prefix });
const client = new pg.Client({ connectionString: url });
client.on('error', () => undefined); // the test may stop the server
const order = `order ${stopAt}`;

async function reached(point: string): Promise<void> {
  if (point !== stopAt) return;
  process.send?.({ point });
  await new Promise((resolve) => process.once('message', resolve));
}

await client.connect();
await client.query('BEGIN');
await reached('begin');
await client.query('INSERT INTO orders VALUES ($1)', [order]);
await reached('insert');
await app.sendTask('ship', [order], { transaction: client, taskId: order });
await reached('call');
await client.query('COMMIT');
await reached('commit');
await client.end();
await app.close();
process.disconnect?.();
