import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OptionError, ResultTimeoutError } from '#src/errors.js';
import { AsyncResult, type GetOptions } from '#src/results/async-result.js';
import { collect } from '#src/results/collect.js';
import type { GroupedResult, TaskResult } from '#src/results/relations.js';
import type { ResultSource } from '#src/results/result-source.js';

type Node = TaskResult | GroupedResult;

/** A result with what begins after it. */
function task(id: string, get: (options: GetOptions) => unknown, ...children: Node[]): Node {
  return {
    id,
    get: async (options: GetOptions) => get(options),
    children: Promise.resolve(children),
  } as never;
}

function group(id: string, ...results: Node[]): Node {
  return { id, results, get: async () => results.map((member) => member.id) } as never;
}

async function walked(root: Node, options: GetOptions = {}): Promise<unknown[]> {
  const seen: unknown[] = [];
  for await (const [result, value] of collect(root, options)) seen.push([result.id, value]);
  return seen;
}

describe('collect()', () => {
  it('gives each result below once with its value, nearest first: tasks, groups, their members and what they lead to', async () => {
    const body = task('body', () => 3);
    const header = group(
      'header',
      task('m0', () => 1, body),
      task('m1', () => 2, body),
    );
    assert.deepEqual(await walked(task('root', () => 0, header, body)), [
      ['root', 0],
      ['header', ['m0', 'm1']],
      ['body', 3],
      ['m0', 1],
      ['m1', 2],
    ]);
  });

  it('asks for what is below only once there is a value, so that a task may still add to it', async () => {
    const children: Node[] = [];
    const root = { id: 'root', children: Promise.resolve(children) };
    const later = task('later', () => 'late');
    const get = async () => void children.push(later);
    assert.deepEqual(await walked({ ...root, get } as never), [
      ['root', undefined],
      ['later', 'late'],
    ]);
  });

  it('has one timeout for the whole walk', async () => {
    const given: unknown[] = [];
    const note = ({ timeout }: GetOptions) => void given.push(timeout);
    await walked(task('root', note, task('next', note)), { timeout: '1h', propagate: false });
    const [first, second] = given as [number, number];
    assert.ok(first <= 3_600_000 && second <= first && second > 3_000_000, String(given));
    const late = task('late', ({ timeout }) => {
      if (timeout === 0) throw new ResultTimeoutError('late', 0);
    });
    await assert.rejects(walked(late, { timeout: 0 }), ResultTimeoutError);
  });

  it('refuses options that get() does not take, at the call', () => {
    const result = new AsyncResult({} as ResultSource, 'id');
    assert.throws(() => result.collect({ tiemout: 1 } as GetOptions), OptionError);
  });
});
