/**
 * Reads streams to their end and checks every chunk: `stream-reader.js BROKER PREFIX`, then a message
 * `{ streams: [[task id, index of the first chunk], …] }`. Says how far it came, `{ id, next }`, and `{ id, ended }`.
 */
import { Celeriac } from 'celeriac';

const [broker = '', prefix = ''] = process.argv.slice(2);
const app = new Celeriac('reading', { broker, prefix, publishRetry: '20s' });

async function read(id: string, from: number): Promise<void> {
  let next = from;
  for await (const { index, chunk } of app.result<number, number>(id).stream({ from }).entries()) {
    if (index !== next || chunk !== next)
      process.send?.({ id, wrong: `chunk ${chunk} at ${index}, not ${next}` });
    next++;
    if (next % 50 === 0) process.send?.({ id, next });
  }
  process.send?.({ id, next });
  process.send?.({ id, ended: true });
}

process.on('message', ({ streams }: { streams: [string, number][] }) => {
  void Promise.all(
    streams.map(([id, from]) =>
      read(id, from).catch((error: unknown) => process.send?.({ id, wrong: String(error) })),
    ),
  ).then(async () => {
    await app.close();
    process.disconnect();
  });
});
process.send?.('ready');
