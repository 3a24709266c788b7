/** A login to PostgreSQL that is slow, silent or under way while this process gets no CPU. A few words of its protocol do. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { limitLogin } from '#src/broker/postgres/login.js';

/** AuthenticationOk, a parameter, ReadyForQuery. */
const AUTHENTICATED = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0]);
const PARAMETER = Buffer.from([0x53, 0, 0, 0, 8, 0x61, 0, 0x62, 0]);
const READY = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);

const PATIENCE_MS = 400;

/** A client of a server that does this once it was greeted. */
async function login(t: TestContext, answer: (socket: Socket) => unknown): Promise<pg.Client> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined); // the client went
    socket.once('data', () => answer(socket));
    t.after(() => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const client = new pg.Client({ host: '127.0.0.1', port, user: 'u', database: 'd', password: 'p' });
  client.on('error', () => undefined); // the server ends first
  return limitLogin(client as never, PATIENCE_MS) as never;
}

describe('a login to PostgreSQL', () => {
  it('is given up when the server takes the connection and says nothing', async (t) => {
    const client = await login(t, () => undefined);
    await assert.rejects(client.connect(), /timeout expired/);
  });

  it('may take longer than its time while the server answers', async (t) => {
    const client = await login(t, async (socket) => {
      socket.write(AUTHENTICATED);
      for (const until = performance.now() + PATIENCE_MS * 3; performance.now() < until; ) {
        socket.write(PARAMETER);
        await sleep(20);
      }
      socket.write(READY);
    });
    await client.connect();
  });

  it('is given up when the server begins and does not go on', async (t) => {
    const client = await login(t, (socket) => socket.write(AUTHENTICATED));
    await assert.rejects(client.connect(), /timeout expired/);
  });

  it('does not end because this process had no time to listen', async (t) => {
    const client = await login(t, (socket) => socket.write(Buffer.concat([AUTHENTICATED, READY])));
    const connected = client.connect();
    for (const until = performance.now() + PATIENCE_MS * 2; performance.now() < until; );
    await connected;
  });
});
