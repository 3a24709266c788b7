/**
 * Waits with WAIT until a replica of Redis has a write. WAIT blocks its connection, so it has its own connection, and each
 * WAIT answers all callers that asked before it. Its answer covers only the server that was asked: the calls' connection
 * must lead to the same server from before the write until after the answer, or the write counts as moved.
 */
import type { Socket } from 'node:net';
import type { Replication } from '../broker.js';
import { type RedisConnection, streamsOf } from './connection.js';
import { troubleIn } from './errors.js';

export interface ReplicationParams {
  /** The connection that writes calls. */
  readonly calls: RedisConnection;
  /** The connection that waits, to the same server. */
  readonly waiting: () => RedisConnection;
  /** A key of ours to write before WAIT; its value is meaningless. */
  readonly key: string;
}

/** Timeout of one WAIT, ms. A later caller waits at most this long for the WAIT under way. */
const ROUND_MS = 200;
const KEY_MS = 60_000;

export class RedisReplication implements Replication {
  readonly #numbers = new WeakMap<Socket, number>();
  #streams = 0;
  #round: Promise<boolean> | undefined;
  #next: Promise<boolean> | undefined;

  constructor(private readonly params: ReplicationParams) {}

  async begin(): Promise<string> {
    const { calls, waiting, key } = this.params;
    await Promise.all([calls.ready(), waiting().ready()]);
    // A Cluster connects to a node at the first command for it.
    if (calls.client.isCluster) await calls.client.exists(key);
    return this.#mark();
  }

  async confirm(begun: string, timeoutMs: number): Promise<'confirmed' | 'moved' | 'none'> {
    const giveUpAt = performance.now() + timeoutMs;
    for (;;) {
      let acknowledged = false;
      try {
        if (begun === '' || this.#mark() !== begun) return 'moved';
        acknowledged = await this.#asked();
      } catch (error) {
        // The server is gone, or is no longer the master.
        if (troubleIn(error) === undefined) throw error;
        return 'moved';
      }
      if (this.#mark() !== begun) return 'moved';
      if (acknowledged) return 'confirmed';
      if (performance.now() >= giveUpAt) return 'none';
    }
  }

  /** Identifies the pair of connections to the server; empty when they lead to different servers. */
  #mark(): string {
    const [own] = streamsOf(this.params.waiting().client);
    const theirs = [...streamsOf(this.params.calls.client)].find(
      (stream) =>
        stream.remotePort === own?.remotePort &&
        stream.remoteAddress === own?.remoteAddress &&
        !stream.destroyed,
    );
    if (own === undefined || own.destroyed || theirs === undefined) return '';
    return `${this.#numberOf(own)}/${this.#numberOf(theirs)}`;
  }

  #numberOf(stream: Socket): number {
    const known = this.#numbers.get(stream);
    if (known !== undefined) return known;
    this.#numbers.set(stream, ++this.#streams);
    return this.#streams;
  }

  /** Joins the next WAIT to begin: the one under way may have begun before the write. */
  #asked(): Promise<boolean> {
    this.#next ??= (this.#round ?? Promise.resolve())
      .catch(() => undefined) // the callers of that round get its error
      .then(() => {
        this.#next = undefined;
        this.#round = this.#ask();
        return this.#round;
      });
    return this.#next;
  }

  async #ask(): Promise<boolean> {
    const { waiting, key } = this.params;
    // WAIT covers only writes of its own connection: this write comes after all earlier writes on the server.
    const replies = await waiting().client.pipeline().set(key, '', 'PX', KEY_MS).wait(1, ROUND_MS).exec();
    for (const [error] of replies ?? []) if (error !== null) throw error;
    return Number(replies?.[1]?.[1] ?? 0) > 0;
  }
}
