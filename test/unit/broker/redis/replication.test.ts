/** When a write counts as replicated: only by a WAIT that began after it, at the server that took it. */
import assert from 'node:assert/strict';
import { Socket } from 'node:net';
import { describe, it } from 'node:test';
import type { RedisConnection } from '#src/broker/redis/connection.js';
import { RedisReplication } from '#src/broker/redis/replication.js';

type Replies = (readonly [Error | null, unknown])[];

/** Two connections to servers by their ports, and WAITs that are answered when told. */
function servers() {
  const socket = (port: number) => Object.defineProperty(new Socket(), 'remotePort', { value: port });
  const calls = { client: { isCluster: false, stream: socket(1) }, ready: async () => undefined };
  const waits: ((replies: Replies) => void)[] = [];
  const pipeline = {
    set: () => pipeline,
    wait: () => pipeline,
    exec: () => new Promise<Replies>((resolve) => waits.push(resolve)),
  };
  const waiting = {
    client: { isCluster: false, stream: socket(1), pipeline: () => pipeline },
    ready: async () => undefined,
  };
  const replication = new RedisReplication({
    calls: calls as unknown as RedisConnection,
    waiting: () => waiting as unknown as RedisConnection,
    key: 'k',
  });
  /** Resolves when a WAIT is asked that has no answer yet. */
  const asked = async () => {
    for (let turns = 0; waits.length === 0; turns++) {
      assert.ok(turns < 1000, 'no WAIT was asked');
      await turn();
    }
  };
  /** Answers the WAIT that has waited longest. */
  const answer = async (replicas: number) => {
    await asked();
    waits.shift()?.([
      [null, 'OK'],
      [null, replicas],
    ]);
  };
  return { replication, calls, waiting, waits, asked, answer, socket };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));
const LONG_MS = 60_000;

describe('A write to Redis', () => {
  it('is confirmed once a replica has it, and asked for again until then', async () => {
    const { replication, answer } = servers();
    const confirmed = replication.confirm(await replication.begin(), LONG_MS);
    await answer(0);
    await answer(1);
    assert.equal(await confirmed, 'confirmed');
    const late = replication.confirm(await replication.begin(), 0);
    await answer(0);
    assert.equal(await late, 'none');
  });

  it('is not confirmed by a WAIT that was under way when it was made', async () => {
    const { replication, answer, asked, waits } = servers();
    const first = replication.confirm(await replication.begin(), LONG_MS);
    await asked();
    const second = [1, 2].map(async () => replication.confirm(await replication.begin(), LONG_MS));
    let over = false;
    for (const confirming of second) void confirming.then(() => (over = true));
    await turn();
    await answer(1);
    assert.equal(await first, 'confirmed');
    await turn();
    assert.equal(over, false);
    await answer(1);
    assert.deepEqual(await Promise.all(second), ['confirmed', 'confirmed'], 'of one more WAIT');
    assert.equal(waits.length, 0);
  });

  it('was made elsewhere where either connection is another one by the time of the answer', async () => {
    for (const moved of ['calls', 'waiting'] as const) {
      const { answer, replication, socket, ...links } = servers();
      const confirmed = replication.confirm(await replication.begin(), LONG_MS);
      await turn();
      links[moved].client.stream = socket(1);
      await answer(1);
      assert.equal(await confirmed, 'moved', moved);
    }
  });

  it('was made elsewhere where the two connections lead to two servers, or one is gone', async () => {
    const { calls, replication, socket, waiting } = servers();
    const begun = await replication.begin();
    calls.client.stream = socket(2);
    assert.equal(await replication.begin(), '');
    assert.equal(await replication.confirm('', LONG_MS), 'moved');
    calls.client.stream = socket(1);
    waiting.client.stream.destroy();
    assert.equal(await replication.confirm(begun, LONG_MS), 'moved');
  });

  it('was made elsewhere where the server that is asked is no master any more', async () => {
    const { replication, asked, waits } = servers();
    const confirmed = replication.confirm(await replication.begin(), LONG_MS);
    await asked();
    waits.shift()?.([
      [new Error("READONLY You can't write against a read only replica."), undefined],
      [null, 1],
    ]);
    assert.equal(await confirmed, 'moved');
  });
});
