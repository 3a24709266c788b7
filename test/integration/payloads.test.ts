/** Payloads that are stored compressed, and written by one of several serializers. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Queue } from 'bullmq';
import { chain, chord, crontab, type Serializer } from 'celeriac';
import { web } from 'celeriac/web';
import { Redis } from 'ioredis';
import type { ChunkList, RunDetail, RunList } from '#src/web/api.js';
import { gate, onEveryEngine, rejection, until } from '../support/app.js';
import { read } from '../support/web.js';

const PATIENCE = { timeout: '20s' } as const;
const BIG = Array.from({ length: 400 }, (_, id) => ({ id, name: `customer ${id}`, paid: id % 3 === 0 }));

const reversing = (name: string): Serializer => ({
  name,
  encode: (value) => [...JSON.stringify(value)].reverse().join(''),
  decode: (text) => JSON.parse([...String(text)].reverse().join('')) as unknown,
});

/** The message of a task, as it is stored. */
async function stored(url: string, prefix: string, id: string): Promise<{ data: string; value: string }> {
  const client = new Redis(url);
  try {
    const [data, value] = await client.hmget(`${prefix}:celeriac:${id}`, 'data', 'returnvalue');
    return { data: data ?? '', value: value ?? '' };
  } finally {
    client.disconnect();
  }
}

describe('Payloads', () => {
  onEveryEngine(
    (ground) => {
      it('above the size are compressed on every way, and everybody reads them as they were', async (t) => {
        const { app, twin, worker } = ground.app(t, { compress: '1kb', maxPayloadBytes: 1_000_000 });
        // It says nothing of compression, and knows no task.
        const stranger = twin({ compress: false });
        const echo = app.task('echo', (rows: unknown) => rows);
        const open = gate();
        const busy = app.task('busy', async function* (rows: unknown) {
          await this.updateState('PROGRESS', { rows });
          yield { rows };
          const kept = await this.step('kept', () => rows);
          await open.opened;
          if (this.request.retries === 0) this.retry({ countdown: 0 });
          return kept;
        });
        const told = gate<unknown>();
        const tell = app.task('tell', (request: { args: unknown }) => told.open(request.args));
        const fail = app.task('fail', { maxRetries: 0 }, (_rows: unknown) => {
          throw new Error('no');
        });
        await worker();
        const page = web(stranger);
        t.after(() => page.close());

        const sent = await busy.delay(BIG);
        const other = stranger.result(sent.id);
        await until(async () => (await other.status) === 'PROGRESS', 'the state');
        assert.deepEqual((await other.snapshot()).args, [BIG]);
        assert.deepEqual(await other.info, { rows: BIG });
        const [active] = Object.values(await stranger.inspect(PATIENCE).active());
        assert.match(JSON.stringify(active), /customer 1/);
        const { runs } = await read<RunList>(page, 'runs?text=customer+399');
        assert.deepEqual(
          runs.map(({ id }) => id),
          [sent.id],
        );
        assert.deepEqual((await read<RunDetail>(page, `runs/${sent.id}`)).argsFull, [BIG]);
        const { chunks } = await read<ChunkList>(page, `runs/${sent.id}/chunks`);
        assert.deepEqual(chunks[0]?.value, { rows: BIG });
        open.open();
        assert.deepEqual(await other.get(PATIENCE), BIG);
        const streamed: unknown[] = [];
        for await (const chunk of stranger.result(sent.id).stream()) streamed.push(chunk);
        assert.deepEqual(streamed, [{ rows: BIG }]);

        const through = await chain(echo.s(BIG), echo.s(), chord([echo.s(), echo.s()], echo.s())).delay();
        assert.deepEqual(await through.get(PATIENCE), [BIG, BIG]);
        assert.deepEqual(await (await echo.starmap([[BIG], [[]]]).delay()).get(PATIENCE), [BIG, []]);
        const failed = await fail.applyAsync([BIG], { linkError: tell.s() });
        await rejection(failed.get(PATIENCE));
        assert.deepEqual(await told.opened, [BIG]);
        assert.deepEqual((await stranger.failed.get(failed.id))?.args, [BIG]);
        await app.schedules.upsert({ name: 's', schedule: crontab('0 0 1 1 *'), task: echo, args: [BIG] });
        assert.deepEqual((await stranger.schedules.get('s'))?.args, [BIG]);
        assert.deepEqual(await (await app.schedules.runNow('s')).get(PATIENCE), BIG);
        assert.deepEqual(await (await echo.apply([BIG])).get(), BIG);
      });

      it('are compressed where the call says, over the task, over the app', async (t) => {
        const { app, prefix, worker } = ground.app(t, { compress: '1kb' });
        const plain = app.task('plain', (rows: unknown) => rows);
        const never = app.task('never', { compress: false }, (rows: unknown) => rows);
        await worker();
        const calls = {
          plain: await plain.delay(BIG),
          never: await never.delay(BIG),
          'for this call': await never.applyAsync([BIG], { compress: '2kb' }),
          'not for this call': await plain.applyAsync([BIG], { compress: false }),
          small: await plain.delay('small'),
        };
        const found: [string, boolean, boolean][] = [];
        for (const [name, result] of Object.entries(calls)) {
          await result.get(PATIENCE);
          if (ground.engine !== 'redis') continue;
          const { data, value } = await stored(ground.url, prefix, result.id);
          found.push([name, data.includes('"$celeriac":"gzip"'), value.includes('"$celeriac":"gzip"')]);
        }
        if (ground.engine !== 'redis') return;
        assert.deepEqual(found, [
          ['plain', true, true],
          ['never', false, false],
          ['for this call', true, true],
          ['not for this call', false, false],
          ['small', false, false],
        ]);
        const client = new Redis(ground.url);
        const megabyte = Array.from({ length: 12_000 }, (_, id) => ({
          id,
          mail: `user${id}@example.org`,
          paid: id % 7,
        }));
        const size = JSON.stringify(megabyte).length;
        const held = await plain.applyAsync([megabyte], { countdown: '1h' });
        const used = await client.memory('USAGE', `${prefix}:celeriac:${held.id}`);
        client.disconnect();
        assert(Number(used) < size / 5, `${used} of ${size} bytes`);
      });

      it('of another program that unpack to more than is allowed fail their task, and nothing else', async (t) => {
        const { app, prefix, worker } = ground.app(t, { maxPayloadBytes: 100_000 });
        const plain = app.task('plain', (rows: unknown) => rows);
        await worker();
        if (ground.engine !== 'redis') return t.skip('no other program writes into this process');
        const { port } = new URL(ground.url);
        const queue = new Queue('celeriac', {
          prefix,
          connection: { host: '127.0.0.1', port: Number(port) },
        });
        t.after(() => queue.close());
        const value = gzipSync(Buffer.alloc(200_000_000, '0')).toString('base64');
        const job = await queue.add('plain', { v: 1, args: { $celeriac: 'gzip', value } });
        const ended = await until(async () => {
          const [one] = await queue.getFailed();
          return one?.id === job.id ? one : undefined;
        }, 'its end');
        assert.match(ended?.failedReason ?? '', /holds more than 100000 bytes/);
        assert.equal(await (await plain.delay(1)).get(PATIENCE), 1);
      });

      it('are read by whoever has their serializer, and others see the states', async (t) => {
        const [old, young] = [reversing('old'), reversing('young')];
        const { app, twin, worker } = ground.app(t, { serializers: [young, old] });
        const before = twin({ serializers: [old] });
        const without = twin({ serializers: ['json'] });
        const echo = app.task('echo', (value: unknown) => value);
        const dated = app.task('dated', { serializer: 'rich' }, (value: unknown) => value);
        const older = app.task('older', { serializer: 'old' }, (value: unknown) => value);
        await worker();
        const day = new Date(0);
        assert.deepEqual(await (await dated.delay(day)).get(PATIENCE), day);
        assert.deepEqual(await (await chain(dated.s(day), dated.s()).delay()).get(PATIENCE), day);
        assert.deepEqual(await (await echo.applyAsync([day], { serializer: 'rich' })).get(PATIENCE), day);
        assert.deepEqual(
          await (await without.sendTask('dated', [day], { serializer: 'rich' })).get(PATIENCE),
          day,
        );
        const rotated = await before.sendTask('echo', ['x']);
        assert.equal(await app.result(rotated.id).get(PATIENCE), 'x');
        const kept = await older.delay('y');
        assert.equal(await before.result(kept.id).get(PATIENCE), 'y');
        for (const reader of [before, without]) {
          const result = reader.result(rotated.id);
          assert.equal(await result.status, 'SUCCESS');
          assert.equal(await result.successful(), true);
          const { value, error } = await result.snapshot();
          assert.equal(value, undefined);
          assert.match(String(error), /written by the serializer "young", and this app has/);
          assert.equal((await rejection(result.get(PATIENCE))).message, error?.message);
          assert.equal((await rejection(result.result)).message, error?.message);
        }
        assert.deepEqual((await without.result(rotated.id).snapshot()).args, ['[cannot be read]']);
        const lost = await without.sendTask('echo', [1], { serializer: reversing('lost') });
        assert.match((await rejection(lost.get(PATIENCE))).message, /serializer "lost", and this app has/);
        const unknown = await rejection(echo.applyAsync([1], { serializer: 'nobody' }));
        assert.match(unknown.message, /knows no serializer "nobody"/);
        const another = { serializer: reversing('old') };
        assert.throws(() => app.task('second', another, () => 1), /task "second": .*another serializer/);
      });
    },
    ['redis', 'memory'],
  );
});
