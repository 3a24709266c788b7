import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { redisSalvage } from '#src/broker/redis/salvage.js';

/** A job's hash in memory, and what is asked of the server. */
function server(job: Readonly<Record<string, string>>) {
  const hash = new Map(Object.entries(job));
  const asked: unknown[][] = [];
  const client = {
    hmget: async (_: string, ...names: string[]) => names.map((name) => hash.get(name) ?? null),
    hset: async (_: string, name: string, value: string) => hash.set(name, value),
    hdel: async (_: string, name: string) => hash.delete(name),
    evalsha: async (_: string, ...args: unknown[]) => {
      asked.push(args);
      return asked.length === 1 ? 'job' : null;
    },
  };
  const salvage = redisSalvage((body) => body(client as never), 'p');
  return { salvage, asked, left: () => Object.fromEntries(hash) };
}

describe('A job that BullMQ cannot read', () => {
  it('is mended in the fields that are broken: emptied, or set to what they begin with', async () => {
    const { salvage, left } = server({
      name: 'task',
      data: 'not JSON either',
      opts: '[1]',
      parent: '"x"',
      progress: '{',
      ats: 'many',
      atm: '1.5',
      attemptsMade: '',
      stc: '99999999999999999999',
    });
    const mended = await salvage.mend('q', 'job');
    assert.deepEqual(mended, ['opts', 'parent', 'progress', 'ats', 'atm', 'attemptsMade', 'stc']);
    assert.deepEqual(left(), { name: 'task', data: 'not JSON either', opts: '{}', ats: '1' });
  });

  it('keeps every field that can be read', async () => {
    const job = {
      opts: '{"attempts":3}',
      parent: '{}',
      progress: 'null',
      ats: '0',
      atm: '-1',
      attemptsMade: '12',
      stc: '999999999999999',
    };
    const { salvage, left } = server(job);
    assert.deepEqual(await salvage.mend('q', 'job'), []);
    assert.deepEqual(left(), job);
  });

  it('keeps what BullMQ takes for absent', async () => {
    const { salvage } = server({ opts: '', parent: '', progress: '' });
    assert.deepEqual(await salvage.mend('q', 'job'), []);
    assert.deepEqual(await server({}).salvage.mend('q', 'gone'), []);
    assert.deepEqual(await server({ opts: 'null', parent: 'null' }).salvage.mend('q', 'job'), [
      'opts',
      'parent',
    ]);
  });

  it('is found by the token of its lock, among the active ones of its queue', async () => {
    const { salvage, asked } = server({});
    assert.equal(await salvage.find('q', 'token'), 'job');
    assert.equal(await salvage.find('q', 'token', 'known'), undefined);
    assert.deepEqual(asked, [
      [1, 'p:q:active', 'p:q:', 'token', ''],
      [1, 'p:q:active', 'p:q:', 'token', 'known'],
    ]);
  });
});
