import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Plan } from '#src/canvas/workflow/plan.js';
import type { Envelope } from '#src/queue/producer.js';
import { idsOf, readCall, type StoredCall, writeCall } from '#src/transactions/outbox/calls.js';

const envelope = (n: number, data: unknown, more: Partial<Envelope> = {}): Envelope => ({
  taskId: `id-${n}`,
  jobId: `job-${n}`,
  queue: 'celeriac',
  name: 'task',
  data: JSON.stringify({ v: 1, args: [data] }),
  sentAt: 1_700_000_000_000,
  delayMs: 0,
  priority: 0,
  ...more,
});

const HOLDER = { taskId: 'id-1', queue: 'celeriac', jobId: 'job-1' };

describe('The text of an outbox row', () => {
  it('holds what a call sends', () => {
    const plan = {
      v: 1,
      root: { kind: 'task', name: 'a', queue: 'q', args: [] },
      sentAt: 5,
    } as unknown as Plan;
    const calls: StoredCall[] = [
      { kind: 'tasks', envelopes: [envelope(1, 'plain')] },
      {
        kind: 'tasks',
        envelopes: [
          envelope(1, 'a "quote", a \\ and\na line'),
          envelope(2, '\u{1f600} éè', { delayMs: 500, priority: 3, trace: 't', replicated: true }),
          envelope(3, ''),
        ],
      },
      {
        kind: 'tasks',
        envelopes: [envelope(1, 1)],
        own: 'my id',
        unique: {
          name: 'task',
          key: 'unique:x',
          mode: 'replace',
          ttlMs: 5,
          holder: { ...HOLDER, delayMs: 9 },
        },
      },
      {
        kind: 'flow',
        flow: 'f1',
        plan,
        replicated: true,
        unique: { name: 'a', key: 'k', mode: 'reject', holder: HOLDER },
      },
    ];
    for (const call of calls) assert.deepEqual(readCall(writeCall(call)), call);
  });

  it('holds messages as they are, without escapes', () => {
    const one = envelope(1, 'a "quote"');
    assert(writeCall({ kind: 'tasks', envelopes: [one] }).endsWith(`\n${one.data}`));
  });

  it('names the ids that the caller got', () => {
    assert.deepEqual(idsOf({ kind: 'tasks', envelopes: [envelope(1, 1), envelope(2, 2)] }), [
      { id: 'id-1', name: 'task' },
      { id: 'id-2', name: 'task' },
    ]);
  });

  it('is refused when it is none, or cut short', () => {
    const text = writeCall({ kind: 'tasks', envelopes: [envelope(1, 'text')] });
    for (const wrong of ['', 'x', '{}', '{}\n', 'null\n', '{"tasks":5}\n', text.slice(0, -1)])
      assert.throws(() => readCall(wrong));
  });
});
