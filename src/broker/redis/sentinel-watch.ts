/**
 * Hears from the sentinels that another server has become the master, and makes the clients follow at once: an old master
 * that still runs goes on accepting writes for about ten seconds, and loses them all. One socket to each sentinel for a whole
 * app, opened a moment after its first connection; they keep no process alive.
 */
import { createConnection, isIP, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import type { Redis } from 'ioredis';

/** One of several addresses. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** Which master, and who knows of it. */
export interface Watched {
  readonly name: string;
  readonly sentinels: readonly HostPort[];
  /** What the sentinels ask for. */
  readonly username?: string | null | undefined;
  readonly password?: string | null | undefined;
  readonly tls?: ConnectionOptions | undefined;
  /** The addresses that sentinels name are translated, so that they cannot be compared. */
  readonly translated?: boolean;
}

/** A script that sends something and ends asks no sentinel to notify it. */
const START_MS = 100;
/** So long after a switch a sentinel may still name the old master to a client that connects. */
const SETTLING_MS = 10_000;
const ASK_AGAIN_MS = 100;

export class SentinelWatch {
  readonly #clients = new Set<Redis>();
  #starting: NodeJS.Timeout | undefined;
  #ears: readonly Ear[] = [];
  #switched: { readonly to: HostPort; readonly at: number } | undefined;

  constructor(private readonly watched: Watched) {}

  /** From its first connection on a client is moved along, until it has ended. */
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

  /** The sentinel that this client asked may not have heard of the switch yet. */
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
/** More than any message of a sentinel: a switch may arrive in two pieces. */
const LONGEST_MESSAGE = 4096;
const MASTER = /\*2\r\n\$\d+\r\n([^\r\n]+)\r\n\$\d+\r\n(\d+)\r\n/;
const SWITCH = /\+switch-master\r\n\$\d+\r\n(\S+) \S+ \S+ (\S+) (\d+)\r\n/g;

/** A socket to one sentinel. ioredis' clients would keep the process alive while they try to connect again. */
class Ear {
  #socket: Socket | undefined;
  #again: NodeJS.Timeout | undefined;
  #closed = false;
  #text = '';
  /** What it said last, and whether it said something on this connection. */
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

  /** Who is it, and notify me when it is another one: between the two nothing is missed. */
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
        // It changed while nobody listened.
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
