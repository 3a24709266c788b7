/** Reads one stream in a process of its own, and says how old each chunk was. */
import { Celeriac } from 'celeriac';
import { Redis } from 'ioredis';

const [url = ''] = process.argv.slice(2);

process.on('message', async ({ id, raw }: { id: string; raw: boolean }) => {
  const took: number[] = [];
  const note = (sentAt: number) => took.push(Number(process.hrtime.bigint()) / 1e6 - sentAt);
  await (raw ? readRaw(note) : readStream(id, note));
  process.send?.(took);
  process.disconnect();
});
process.send?.('ready');

async function readStream(id: string, note: (sentAt: number) => void): Promise<void> {
  const app = new Celeriac('bench', { broker: url });
  for await (const sentAt of app.result<unknown, number>(id).stream()) note(sentAt);
  await app.close();
}

async function readRaw(note: (sentAt: number) => void): Promise<void> {
  const client = new Redis(url);
  for (let last = '0'; ; ) {
    const [[, entries] = [undefined, []]] = (await client.xread('BLOCK', 5000, 'STREAMS', 'raw', last)) ?? [];
    for (const [entry, [field, value]] of entries) {
      last = entry;
      if (field === 'end') return client.disconnect();
      note(Number(value));
    }
  }
}
