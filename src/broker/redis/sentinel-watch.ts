/**
 * Listens to the sentinels for a change of master, and makes the clients follow at once: an old master that still runs
 * accepts writes for about ten more seconds, and loses them all. An app has one socket to each sentinel, opened 100 ms
 * after its first connection. These sockets must not keep the process alive.
 */
import { createConnection, isIP, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import type { Redis } from 'ioredis';

/** The address of one server. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** A master and the sentinels that watch it. */
export interface Watched {
  readonly name: string;
  readonly sentinels: readonly HostPort[];
  /** Login at the sentinels. */
  readonly username?: string | null | undefined;
  readonly password?: string | null | undefined;
  readonly tls?: ConnectionOptions | undefined;
  /** The client translates the addresses that sentinels report (`natMap`), so they cannot be compared. */
  readonly translated?: boolean;
}

/** Delay before the sockets are opened, ms: a short script needs none. */
const START_MS = 100;
/** How long after a switch a sentinel may still report the old master to a client that connects, ms. */
const SETTLING_MS = 10_000;
const ASK_AGAIN_MS = 100;

export class SentinelWatch {
  readonly #clients = new Set<Redis>();
  #starting: NodeJS.Timeout | undefined;
  #ears: readonly Ear[] = [];
  #switched: { readonly to: HostPort; readonly at: number } | undefined;

  constructor(private readonly watched: Watched) {}

  /** Makes a client follow the master, from its first connection until it has ended. */
  follow(client: Redis): void {
    client.on('ready', () => {
      this.#clients.add(client);
      this.#start();
      this.#verify(client);
    });
    client.on('end', () => {
      this.#clients.delete(client);
      if (this.#clients.size === 0) this.#stop();
    });
  }

  #start(): void {
    if (this.#ears.length > 0) return;
    this.#starting ??= setTimeout(() => {
      this.#starting = undefined;
      const onMaster = (master: HostPort) => this.#onMaster(master);
      this.#ears = this.watched.sentinels.map((address) => new Ear(this.watched, address, onMaster));
    }, START_MS).unref();
  }

  #stop(): void {
    clearTimeout(this.#starting);
    this.#starting = undefined;
    for (const ear of this.#ears) ear.close();
    this.#ears = [];
  }

  #onMaster(to: HostPort): void {
    this.#switched = { to, at: performance.now() };
    for (const client of this.#clients) if (isElsewhere(client, to)) client.disconnect(true);
  }

  /** Checks a new connection: the sentinel that this client asked may not know of the switch yet. */
  #verify(client: Redis): void {
    const { to, at } = this.#switched ?? { to: undefined, at: 0 };
    if (to === undefined || !this.#comparable(to) || performance.now() - at > SETTLING_MS) return;
    if (!isElsewhere(client, to)) return;
    setTimeout(() => {
      if (this.#switched?.to === to && isElsewhere(client, to)) client.disconnect(true);
    }, ASK_AGAIN_MS).unref();
  }

  #comparable({ host }: HostPort): boolean {
    return this.watched.translated !== true && isIP(host) !== 0;
  }
}

function isElsewhere(client: Redis, { host, port }: HostPort): boolean {
  if (client.status !== 'ready') return false;
  const { remoteAddress, remotePort } = (client as unknown as { readonly stream: Partial<Socket> }).stream;
  return remotePort !== port || remoteAddress?.replace(/^::ffff:/, '') !== host;
}

const RECONNECT_MS = 1000;
const CONNECT_MS = 1000;
const KEEP_ALIVE_MS = 10_000;
/** Kept text, longer than any message of a sentinel: a message may arrive in two pieces. */
const LONGEST_MESSAGE = 4096;
const MASTER = /\*2\r\n\$\d+\r\n([^\r\n]+)\r\n\$\d+\r\n(\d+)\r\n/;
const SWITCH = /\+switch-master\r\n\$\d+\r\n(\S+) \S+ \S+ (\S+) (\d+)\r\n/g;

/** A socket to one sentinel. An ioredis client would keep the process alive while it reconnects. */
class Ear {
  #socket: Socket | undefined;
  #again: NodeJS.Timeout | undefined;
  #closed = false;
  #text = '';
  /** The last reported master, and whether the sentinel reported one on this connection. */
  #known: string | undefined;
  #asked = false;

  constructor(
    private readonly watched: Watched,
    private readonly address: HostPort,
    private readonly onMaster: (master: HostPort) => void,
  ) {
    this.#connect();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#again);
    this.#socket?.destroy();
  }

  #connect(): void {
    const { host, port } = this.address;
    const { tls } = this.watched;
    const socket = tls === undefined ? createConnection({ host, port }) : connectTls({ ...tls, host, port });
    this.#socket = socket;
    this.#text = '';
    this.#asked = false;
    const giveUp = setTimeout(() => socket.destroy(), CONNECT_MS).unref();
    socket.unref();
    socket.setEncoding('utf8');
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.once(tls === undefined ? 'connect' : 'secureConnect', () => {
      clearTimeout(giveUp);
      socket.write(this.#questions());
    });
    socket.on('data', (text: string) => this.#hear(text));
    socket.on('error', () => undefined); // 'close' follows
    socket.once('close', () => {
      clearTimeout(giveUp);
      if (this.#closed) return;
      this.#again = setTimeout(() => this.#connect(), RECONNECT_MS).unref();
    });
  }

  /** Asks for the master and subscribes to switches in one write, so that no switch is missed in between. */
  #questions(): string {
    const { name, username, password } = this.watched;
    const auth = password ? [username ? ['AUTH', username, password] : ['AUTH', password]] : [];
    const ask = [...auth, ['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name], ['SUBSCRIBE', '+switch-master']];
    return ask.map(command).join('');
  }

  #hear(text: string): void {
    this.#text += text;
    if (!this.#asked) {
      const [, host, port] = MASTER.exec(this.#text) ?? [];
      if (host !== undefined) {
        this.#asked = true;
        const before = this.#known;
        this.#known = `${host}:${port}`;
        // The master changed while this socket was not connected.
        if (before !== undefined && before !== this.#known) this.onMaster({ host, port: Number(port) });
      }
    }
    let end = 0;
    for (const match of this.#text.matchAll(SWITCH)) {
      end = match.index + match[0].length;
      const [, name, host = '', port] = match;
      if (name !== this.watched.name) continue;
      this.#known = `${host}:${port}`;
      this.onMaster({ host, port: Number(port) });
    }
    this.#text = this.#text.slice(end).slice(-LONGEST_MESSAGE);
  }
}

function command(words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`;
}
