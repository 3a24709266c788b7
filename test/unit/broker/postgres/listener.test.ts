/** The one listening connection: whoever makes it anew makes it whole. */
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { after, describe, it, mock } from 'node:test';
import type { PgClient } from '#src/broker/postgres/driver.js';
import { PgListener } from '#src/broker/postgres/listener.js';

class FakeClient extends EventEmitter implements PgClient {
  readonly statements: string[] = [];
  constructor(private readonly server: FakeServer) {
    super();
  }

  async connect(): Promise<void> {
    if (!this.server.up) throw new Error('Connection terminated');
  }

  async query(text: string): Promise<{ rows: unknown[]; rowCount: number }> {
    this.statements.push(text);
    this.server.emit('statement', text);
    if (this.server.breaksAt?.test(text) === true) {
      this.server.breaksAt = undefined;
      this.emit('error', new Error('Connection terminated'));
      throw new Error('Connection terminated');
    }
    return { rows: [], rowCount: 0 };
  }

  async end(): Promise<void> {}

  /** What this connection listens to, sorted. */
  get channels(): string[] {
    return this.statements
      .flatMap((text) => [...text.matchAll(/(?<!UN)LISTEN "(\w+)"/g)].map(([, c]) => c ?? ''))
      .sort();
  }
}

class FakeServer extends EventEmitter {
  readonly clients: FakeClient[] = [];
  up = true;
  /** A statement at which the connection breaks, once. */
  breaksAt: RegExp | undefined;

  readonly makeClient = () => {
    const client = new FakeClient(this);
    this.clients.push(client);
    return client;
  };

  get last(): FakeClient {
    const client = this.clients.at(-1);
    assert.ok(client);
    return client;
  }
}

function setUp() {
  const server = new FakeServer();
  const heard: string[] = [];
  const [onLost, onBack, onGap] = [mock.fn(), mock.fn(), mock.fn()];
  const listener = new PgListener({
    makeClient: server.makeClient,
    query: async () => ({ rows: [], rowCount: 0 }),
    onLost,
    onBack,
  });
  listener.onGap(onGap);
  const listen = (channel: string) =>
    listener.listen(channel, (payload) => heard.push(`${channel} ${payload}`));
  const counts = () => [onLost.mock.callCount(), onBack.mock.callCount(), onGap.mock.callCount()];
  return { server, listener, listen, heard, counts };
}

describe('the listening connection', () => {
  // Its own timers keep no process alive; real connections do while they are asked.
  const awake = setInterval(() => undefined, 60_000);
  after(() => clearInterval(awake));

  it('listens to all channels again when a new listener makes it before the restoring does', async () => {
    const { server, listener, listen, heard, counts } = setUp();
    await Promise.all([listen('one'), listen('two')]);
    server.last.emit('error', new Error('Connection terminated'));
    assert.deepEqual(counts(), [1, 0, 0]);
    await listen('three');
    assert.equal(server.clients.length, 2);
    assert.deepEqual(server.last.channels, ['one', 'three', 'two']);
    assert.deepEqual(counts(), [1, 1, 1]);
    server.last.emit('notification', { channel: 'one', payload: 'hello' });
    assert.deepEqual(heard, ['one hello']);
    await listener.close();
  });

  it('listens to all channels again by itself', async () => {
    const { server, listener, listen, counts } = setUp();
    await listen('one');
    const again = once(server, 'statement');
    server.last.emit('end');
    await again;
    await listen('two');
    assert.deepEqual(server.last.channels, ['one', 'two']);
    assert.deepEqual([server.clients.length, ...counts()], [2, 1, 1, 1]);
    await listener.close();
  });

  it('does not count a connection that breaks while it is told the channels', async () => {
    const { server, listener, listen, counts } = setUp();
    await listen('one');
    server.breaksAt = /LISTEN "one"/;
    server.last.emit('error', new Error('Connection terminated'));
    await assert.rejects(listen('two'), /terminated/);
    assert.deepEqual(counts(), [1, 0, 0]);
    await listen('two');
    assert.deepEqual(server.last.channels, ['one', 'two']);
    assert.deepEqual(counts(), [1, 1, 1]);
    await listener.close();
  });

  it('reports no outage for a connection that was never there', async () => {
    const { server, listener, listen, counts } = setUp();
    server.up = false;
    await assert.rejects(listen('one'));
    server.up = true;
    await listen('one');
    assert.deepEqual(counts(), [0, 0, 0]); // it was never there
    assert.deepEqual(server.last.channels, ['one']);
    await listener.close();
  });

  it('tells a new connection each channel once', async () => {
    const { server, listener, listen } = setUp();
    await Promise.all([listen('one'), listen('two')]);
    await listen('one');
    assert.deepEqual(server.last.statements, ['LISTEN "one"; LISTEN "two"']);
    await listener.close();
  });
});
