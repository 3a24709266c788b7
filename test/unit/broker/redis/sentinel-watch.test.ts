import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import type { Redis } from 'ioredis';
import { SentinelWatch, type Watched } from '#src/broker/redis/sentinel-watch.js';

const OLD = { host: '10.0.0.1', port: 6379 };
const NEW = { host: '10.0.0.2', port: 6380 };

/** A sentinel that says what it is told to, and who is connected to it. */
async function sentinel(t: TestContext) {
  const sockets: Socket[] = [];
  const asked: string[] = [];
  let master = OLD;
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.on('data', (text) => {
      asked.push(String(text));
      const { host, port } = master;
      socket.write(`*2\r\n$${host.length}\r\n${host}\r\n$4\r\n${port}\r\n*3\r\n$9\r\nsubscribe\r\n`);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as { port: number };
  return {
    address: { host: '127.0.0.1', port },
    asked,
    sockets,
    masters: (next: typeof OLD) => {
      master = next;
    },
    says: (text: string) => {
      for (const socket of sockets) socket.write(text);
    },
  };
}

const switched = (name: string, { host, port }: typeof OLD) => {
  const text = `${name} 10.0.0.1 6379 ${host} ${port}`;
  return `*3\r\n$7\r\nmessage\r\n$14\r\n+switch-master\r\n$${text.length}\r\n${text}\r\n`;
};

/** Turns of the loop until it is so; the clock is the test's. */
async function until(check: () => boolean, what: string): Promise<void> {
  for (let turns = 0; !check(); turns++) {
    if (turns > 100_000) throw new Error(`${what} did not come about`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** A client that is connected to this server. */
class FakeClient extends EventEmitter {
  status = 'ready';
  left = 0;
  readonly stream: { remoteAddress: string; remotePort: number };

  constructor({ host, port }: typeof OLD) {
    super();
    this.stream = { remoteAddress: `::ffff:${host}`, remotePort: port };
  }

  disconnect(): void {
    this.left++;
  }
}

/** Clients that follow a master of this sentinel. */
async function following(t: TestContext, more: Partial<Watched> = {}) {
  const one = await sentinel(t);
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const watch = new SentinelWatch({ name: 'mine', sentinels: [one.address], ...more });
  const follow = (at: typeof OLD) => {
    const client = new FakeClient(at);
    watch.follow(client as unknown as Redis);
    client.emit('ready');
    t.after(() => client.emit('end'));
    return client;
  };
  const client = follow(OLD);
  t.mock.timers.tick(100);
  await until(() => one.asked.length > 0, 'the questions');
  return { ...one, client, follow };
}

describe('A client of a master that sentinels watch', () => {
  it('leaves its server when another becomes the master, also if word of it comes in pieces', async (t) => {
    const { client, follow, says, sockets } = await following(t);
    const there = follow(NEW);
    const text = switched('mine', NEW);
    sockets[0]?.setNoDelay(true);
    says(text.slice(0, 40));
    await new Promise((resolve) => setImmediate(resolve));
    says(text.slice(40));
    await until(() => client.left === 1, 'its leaving');
    assert.equal(there.left, 0, 'who is there already stays');
  });

  it('stays when another master of the same sentinels changes', async (t) => {
    const { client, follow, says } = await following(t);
    const third = follow({ host: '10.0.0.3', port: 6379 });
    says(switched('other', NEW));
    // Comes after it, and is heard by who is neither at the old nor at the new one.
    says(switched('mine', OLD));
    await until(() => third.left === 1, 'the switch that is meant');
    assert.equal(client.left, 0);
  });

  it('leaves when the master changed while nobody listened', async (t) => {
    const { client, masters, sockets, asked } = await following(t);
    masters(NEW);
    const [first] = sockets;
    first?.destroy();
    // It connects anew a second after it has seen the end.
    await until(() => {
      t.mock.timers.tick(100);
      return sockets.length > 1;
    }, 'another connection');
    await until(() => asked.length > 1, 'a second connection');
    await until(() => client.left === 1, 'its leaving');
  });

  it('is sent on when it was let in at the old one after the switch', async (t) => {
    const { client, follow, says } = await following(t);
    says(switched('mine', NEW));
    await until(() => client.left === 1, 'the switch');
    const [late, right] = [follow(OLD), follow(NEW)];
    assert.equal(late.left, 0, 'it is looked at once more before');
    t.mock.timers.tick(100);
    assert.equal(late.left, 1);
    assert.equal(right.left, 0);
  });

  it('logs in at the sentinels before it asks', async (t) => {
    const { asked } = await following(t, { username: 'me', password: 'é' });
    assert.match(
      asked.join(''),
      /^\*3\r\n\$4\r\nAUTH\r\n\$2\r\nme\r\n\$2\r\né\r\n\*3\r\n\$8\r\nSENTINEL\r\n/,
    );
  });

  it('holds its socket to the sentinel no longer than there are clients', async (t) => {
    const { client, sockets } = await following(t);
    const closed = new Promise((resolve) => sockets[0]?.once('close', resolve));
    client.emit('end');
    await closed;
  });
});
