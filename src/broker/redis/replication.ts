/**
 * Waits until a replica of Redis has what was written, with WAIT. WAIT blocks its connection, so it has one of its own, and
 * one WAIT at a time answers all who asked before it. It says something only of the server it was asked of: who writes is
 * connected to the same one from before the write until after the answer, or the write counts as made elsewhere.
 */
import type { Socket } from 'node:net';
import type { Replication } from '../broker.js';
import { type RedisConnection, streamsOf } from './connection.js';
import { troubleIn } from './errors.js';

export interface ReplicationParams {
  /** Where calls are written. */
  readonly calls: RedisConnection;
  /** The connection that waits, to the server that takes the calls. */
  readonly waiting: () => RedisConnection;
  /** A key of ours; what it holds says nothing. */
  readonly key: string;
}

/** A WAIT gives up so soon; who asks later is not held up by it for longer, ms. */
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
    // A Cluster connects to a node when it is first asked something.
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
        // What cannot be asked is not there any more, or is no master any more.
        if (troubleIn(error) === undefined) throw error;
        return 'moved';
      }
      if (this.#mark() !== begun) return 'moved';
      if (acknowledged) return 'confirmed';
      if (performance.now() >= giveUpAt) return 'none';
    }
  }

  /** The connections, of both kinds, to the one server; empty where they lead to two. */
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

  /** A WAIT that begins from now on: the one under way may have begun before the write. */
  #asked(): Promise<boolean> {
    this.#next ??= (this.#round ?? Promise.resolve())
      .catch(() => undefined) // told to those who asked for it
      .then(() => {
        this.#next = undefined;
        this.#round = this.#ask();
        return this.#round;
      });
    return this.#next;
  }

  async #ask(): Promise<boolean> {
    const { waiting, key } = this.params;
    // A write of its own: WAIT waits for what this connection wrote last, which lies behind all that was written before.
    const replies = await waiting().client.pipeline().set(key, '', 'PX', KEY_MS).wait(1, ROUND_MS).exec();
    for (const [error] of replies ?? []) if (error !== null) throw error;
    return Number(replies?.[1]?.[1] ?? 0) > 0;
  }
}
