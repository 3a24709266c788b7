/** A serializer that encrypts: nothing it is there for leaves the app in plain text. */
import assert from 'node:assert/strict';
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { every, type FleetEvent, type Serializer, type TaskContext } from 'celeriac';
import { web } from 'celeriac/web';
import { Redis } from 'ioredis';
import { gate, onEveryEngine, rejection, until } from '../support/app.js';
import { read } from '../support/web.js';

const SECRET = 'plain-text-of-ada';
const KEY = randomBytes(32);

const aes: Serializer = {
  name: 'aes',
  encode(value) {
    const iv = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', KEY, iv);
    const text = Buffer.concat([cipher.update(JSON.stringify(value)), cipher.final()]);
    return Buffer.concat([iv, cipher.getAuthTag(), text]).toString('base64');
  },
  decode(encoded) {
    const bytes = Buffer.from(String(encoded), 'base64');
    const decipher = createDecipheriv('aes-256-gcm', KEY, bytes.subarray(0, 12));
    decipher.setAuthTag(bytes.subarray(12, 28));
    return JSON.parse(Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString());
  },
};

class CardError extends Error {
  override name = 'CardError';
  readonly card = SECRET;
}

/** Everything that lies in a Redis, as text. */
async function everythingIn(url: string): Promise<string> {
  const client = new Redis(url);
  const texts: unknown[] = [];
  for (const key of await client.keys('*')) {
    const type = await client.type(key);
    if (type === 'hash') texts.push(key, await client.hgetall(key));
    else if (type === 'stream') texts.push(key, await client.xrange(key, '-', '+'));
    else if (type === 'string') texts.push(key, await client.get(key));
    else texts.push(key);
  }
  client.disconnect();
  return JSON.stringify(texts);
}

describe('With a serializer that encrypts', () => {
  onEveryEngine(
    (ground) => {
      it('nothing readable is in inspect, in events, in meta and errors, or anywhere in the broker', async (t) => {
        const { app, worker } = ground.app(t, { serializer: aes });
        const stop = new AbortController();
        const events: FleetEvent[] = [];
        const heard = (async () => {
          for await (const event of app.events({ signal: stop.signal })) events.push(event);
        })();
        const open = gate();
        const pay = app.task('pay', async function (card: string) {
          await this.updateState('PROGRESS', { card });
          await open.opened;
          throw new CardError('refused', { cause: { card } });
        });
        const { node } = await worker();
        const running = await pay.delay(SECRET);
        await until(async () => (await running.status) === 'PROGRESS', 'the start');
        const later = await pay.applyAsync([SECRET], { countdown: '1h' });
        const waiting = await pay.applyAsync([SECRET], { queue: 'nobody' });
        assert.deepEqual(await running.info, { card: SECRET }, 'who has the key can read it');
        const inspect = app.inspect({ destination: [node] });
        const [active, scheduled, found] = [
          await inspect.active(),
          await inspect.scheduled(),
          await inspect.queryTask(running.id, later.id, waiting.id),
        ];
        for (const replies of [active, scheduled])
          assert.match(JSON.stringify(replies), /sealed by the serializer \\"aes\\"/);
        assert.match(JSON.stringify(found), new RegExp(later.id));
        open.open();
        const error = await rejection(running.get({ timeout: '20s' }));
        assert.match(error.message, /CardError: refused/);
        await until(() => events.some(({ type }) => type === 'task-failed'), 'the event');
        stop.abort();
        await heard;
        const shown = JSON.stringify([active, scheduled, found, events, error.cause]);
        assert(!shown.includes(SECRET), shown);
        assert(!(await everythingIn(ground.url)).includes(SECRET));
      });

      it('of one task or one call, nothing readable leaves them either', async (t) => {
        const { app, twin, worker, lines } = ground.app(t, { serializers: ['json', aes], compress: '1kb' });
        const keyless = twin({ serializers: ['json'] });
        const stop = new AbortController();
        const events: FleetEvent[] = [];
        const heard = (async () => {
          for await (const event of app.events({ signal: stop.signal })) events.push(event);
        })();
        const open = gate();
        const body = async function* (this: TaskContext, card: string, more: string) {
          await this.updateState('PROGRESS', { card });
          yield { card };
          await this.step('kept', () => [card]);
          await open.opened;
          if (card === '') throw new CardError('refused', { cause: { card } });
          return `${card} ${more}`;
        };
        const pay = app.task('pay', { serializer: aes }, body);
        const plain = app.task('plain', body);
        await worker();
        const calls = [
          await pay.delay(SECRET, SECRET.repeat(200)),
          await plain.applyAsync([SECRET, ''], { serializer: 'aes' }),
        ];
        const pages = [web(app), web(keyless)];
        t.after(() => Promise.all(pages.map((page) => page.close())));
        for (const sent of calls) await until(async () => (await sent.status) === 'PROGRESS', 'the start');
        const seen: unknown[] = [await app.inspect().active()];
        assert.match(JSON.stringify(seen), /sealed by the serializer \\"aes\\".*sealed by/);
        open.open();
        for (const sent of calls) assert.match(await sent.get({ timeout: '20s' }), new RegExp(`^${SECRET} `));
        for await (const chunk of app.result(calls[1]?.id ?? '').stream())
          assert.deepEqual(chunk, { card: SECRET });
        await app.schedules.upsert({ name: 's', schedule: every('1d'), task: pay, args: [SECRET, ''] });
        for (const page of pages) {
          for (const path of ['runs', 'schedules', 'tasks']) seen.push(await read(page, path));
          for (const { id } of calls)
            seen.push(await read(page, `runs/${id}`), await read(page, `runs/${id}/chunks`));
        }
        stop.abort();
        await heard;
        const shown = JSON.stringify([seen, events, lines]);
        assert(!shown.includes(SECRET), shown);
        assert(!shown.includes(KEY.toString('base64')));
        assert(!(await everythingIn(ground.url)).includes(SECRET));
      });

      it('updates() gives what the task said of itself', async (t) => {
        const { app, worker } = ground.app(t, { serializer: aes });
        const steps = app.task('steps', async function () {
          await this.updateState('PROGRESS', { at: SECRET });
          return 1;
        });
        await worker();
        const sent = await steps.delay();
        const seen: unknown[] = [];
        for await (const { state, meta } of sent.updates()) if (state !== 'STARTED') seen.push([state, meta]);
        assert.deepEqual(seen.slice(-2), [
          ['PROGRESS', { at: SECRET }],
          ['SUCCESS', { at: SECRET }],
        ]);
      });
    },
    ['redis'],
  );
});
