/**
 * Streams: `npm run bench:streams -- [--chunks 50000] [--seconds 5]`. How long a chunk takes from its `yield` to a reader in
 * another process, and what fast chunks cost worker and Redis, beside raw `XADD` with a blocking `XREAD`, and beside
 * `updateState`.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Celeriac } from 'celeriac';
import { Redis } from 'ioredis';
import { Children } from '../processes/children.js';
import { RedisServer } from '../processes/redis.js';

const { values: options } = parseArgs({
  options: { chunks: { type: 'string', default: '50000' }, seconds: { type: 'string', default: '5' } },
});
const CHUNKS = Number(options.chunks);
const SECONDS = Number(options.seconds);
/** A chunk of the slow streams comes this often, ms. */
const EVERY_MS = 7;

const children = new Children();
const server = await RedisServer.start(children);
const { host, port } = server.address;
const url = `redis://${host}:${port}`;
const app = new Celeriac('bench', { broker: url, taskDefaults: { streamMaxChunks: CHUNKS + 1 } });
const client = new Redis(port, host);
const slow = app.task('slow', async function* () {
  for (const end = performance.now() + SECONDS * 1000; performance.now() < end; ) {
    yield monotonicMs();
    await sleep(EVERY_MS);
  }
});
const fast = app.task('fast', async function* (n: number) {
  for (let i = 0; i < n; i++) yield 'token ';
});
const states = app.task('states', async function (n: number) {
  for (let i = 0; i < n; i++) await this.updateState('PROGRESS', 'token ');
});

try {
  await app.worker({ concurrency: 1 }).start();
  await (await fast.delay(1000)).get();
  await latency('celeriac', async () => (await slow.delay()).id);
  await latency('XADD, XREAD', async () => {
    void (async () => {
      for (const end = performance.now() + SECONDS * 1000; performance.now() < end; ) {
        await client.xadd('raw', '*', 'c', String(monotonicMs()));
        await sleep(EVERY_MS);
      }
      await client.xadd('raw', '*', 'end', '1');
    })();
    return 'raw';
  });
  await cost('celeriac', 'evalsha', CHUNKS, async (n) => void (await (await fast.delay(n)).get()));
  await cost('XADD', 'xadd', CHUNKS, async (n) => {
    for (let i = 0; i < n; i++) await client.xadd('raw2', '*', 'c', '"token "');
  });
  await cost('updateState', 'evalsha', CHUNKS / 10, async (n) => void (await (await states.delay(n)).get()));
} finally {
  client.disconnect();
  await app.close();
  await server.stop();
  children.killAll();
}

/** From the yield to a reader in another process. */
async function latency(name: string, begin: () => Promise<string>): Promise<void> {
  const reader = fork(fileURLToPath(new URL('./reader.js', import.meta.url)), [url]);
  await once(reader, 'message');
  reader.send({ id: await begin(), raw: name !== 'celeriac' });
  const [took] = (await once(reader, 'message')) as [number[]];
  took.sort((a, b) => a - b);
  const at = (share: number) => (took[Math.floor(took.length * share)] ?? Number.NaN).toFixed(1);
  console.log(`${name.padEnd(12)} ${took.length} chunks read: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`);
}

/** What `n` chunks that come fast cost; `command` is what carries them. */
async function cost(
  name: string,
  command: string,
  n: number,
  run: (n: number) => Promise<void>,
): Promise<void> {
  const before = await sentOf(command);
  const cpu = process.cpuUsage();
  const begunAt = performance.now();
  await run(n);
  const tookMs = performance.now() - begunAt;
  const { user, system } = process.cpuUsage(cpu);
  const sent = (await sentOf(command)) - before;
  console.log(
    `${name.padEnd(12)} ${n} chunks: ${((user + system) / n).toFixed(1)} µs of CPU a chunk, ` +
      `${(sent / n).toFixed(3)} commands a chunk, ${Math.round((n / tookMs) * 1000)} chunks/s`,
  );
}

async function sentOf(command: string): Promise<number> {
  const stats = await client.info('commandstats');
  return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
}

/** Of one clock for all processes of a machine. */
function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
