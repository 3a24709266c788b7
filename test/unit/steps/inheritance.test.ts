import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Sent, SentValue } from '#src/broker/steps.js';
import { flowFrom, partId } from '#src/protocol/ids.js';
import { inherited, passOn } from '#src/steps/inheritance.js';
import type { WakingEngine } from '#src/steps/wake.js';

const OLDER = { queue: 'q', id: 'older', used: ['used'] };
const OLD = { queue: 'q', id: 'old' };

function fieldsOf(fields: Readonly<Record<string, object>>): ReadonlyMap<string, string> {
  return new Map(Object.entries(fields).map(([name, value]) => [name, JSON.stringify(value)]));
}

const tasks: Record<string, ReadonlyMap<string, string>> = {
  older: fieldsOf({ 'w:first': { v: 1 }, 's:used': { k: 'wait' }, 'w:used': { v: 2 } }),
  old: fieldsOf({ 'w:first': { v: 3 }, 's:second': { k: 'wait' }, 'w:second': { v: 4 }, 'w:used': { v: 5 } }),
};
const read = async ({ id }: { id: string }) => tasks[id] ?? new Map<string, string>();

describe('what was sent to a task that was replaced', () => {
  it('is found by its heir, the first value of a name, but none that the replaced one has waited for', async () => {
    const mail = {
      read: async (id: string, name: string) => (id === 'old' && name === 'post' ? 'mail' : undefined),
    };
    const find = (name: string) => inherited({ read }, mail, [OLDER, { ...OLD, used: ['second'] }], name);
    assert.equal(await find('first'), '{"v":1}');
    assert.equal(await find('second'), undefined);
    assert.equal(await find('used'), '{"v":5}', 'sent to the second one after the first had used its own');
    assert.equal(await find('post'), 'mail');
    assert.equal(await find('nothing'), undefined);
  });

  it('is passed on once its end is written, but for what it has waited for', async () => {
    const heir = { queue: 'q', id: partId(flowFrom('x'), '0', 'q') };
    const given: unknown[] = [];
    const posted: unknown[] = [];
    const engine = {
      steps: {
        read,
        send: async (to: object, { field, value }: SentValue): Promise<Sent> => {
          given.push([to, field, value]);
          return 'kept';
        },
      },
      flows: {
        write: async (flow: string, rows: readonly { field: string; value: string }[]) => {
          posted.push([flow, ...rows.map(({ value }) => value)]);
          return { rows: rows.map(() => ({ before: undefined })) };
        },
      },
    } as unknown as WakingEngine;
    await passOn(engine, OLD, async () => heir, 0);
    assert.deepEqual(given, [
      [heir, 'w:first', '{"v":3}'],
      [heir, 'w:used', '{"v":5}'],
    ]);
    assert.equal(posted.length, 2);
    await passOn(engine, { queue: 'q', id: 'without' }, () => assert.fail('nobody is asked for'), 0);
  });
});
