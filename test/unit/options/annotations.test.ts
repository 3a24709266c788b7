import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Celeriac, type CeleriacOptions, OptionError } from 'celeriac';
import { type Annotations, compileAnnotations } from '#src/options/annotations.js';
import type { TaskOptions } from '#src/options/task-options.js';

/** The options of a task of this name. */
const over = (annotations: Annotations, name: string, own: TaskOptions = {}) =>
  compileAnnotations(annotations, 'app: annotations')?.(name, own);

describe('Annotations', () => {
  it('stand over the options that a task has, by name, glob and regular expression', () => {
    const own = { queue: 'own', maxRetries: 1 };
    assert.deepEqual(over({ mail: { queue: 'mail' } }, 'mail', own), { queue: 'mail', maxRetries: 1 });
    assert.deepEqual(over({ 'mail.*': { maxRetries: 9 } }, 'mail.send', own), {
      queue: 'own',
      maxRetries: 9,
    });
    assert.deepEqual(over(new Map([[/^img\./, { priority: 3 }]]), 'img.thumb'), { priority: 3 });
    assert.deepEqual(over([[/^img\./, { priority: 3 }]], 'mail', own), own);
  });

  it('add up, where a first one holds; in a map an exact name is first', () => {
    const map = {
      '*': { priority: 9, maxRetries: 9 },
      'mail.*': { priority: 5, queue: 'mail' },
      'mail.send': { priority: 1 },
    };
    assert.deepEqual(over(map, 'mail.send'), { priority: 1, maxRetries: 9, queue: 'mail' });
    assert.deepEqual(over(map, 'mail.read'), { priority: 9, maxRetries: 9, queue: 'mail' });
    const list = [
      ['mail.*', { priority: 5 }],
      ['mail.send', { priority: 1, queue: 'mail' }],
    ] as const;
    assert.deepEqual(over(list, 'mail.send'), { priority: 5, queue: 'mail' });
  });

  it('take limits away with null, leave alone what is undefined, and add their tags', () => {
    const own = { rateLimit: '1/s', timeLimit: '1m', tags: ['a'] } as const;
    const map = { mail: { rateLimit: null, timeLimit: undefined, tags: ['b'] } };
    assert.deepEqual(over(map as object as Annotations, 'mail', own), {
      rateLimit: null,
      timeLimit: '1m',
      tags: ['a', 'b'],
    });
  });

  it('that are wrong are refused where they are written, and nothing has no annotations', () => {
    const wrong = (annotations: unknown) => () =>
      compileAnnotations(annotations as Annotations, 'app: annotations');
    assert.throws(
      wrong({ 'mail.*': { ratelimit: '1/s' } }),
      /app: annotations: "mail\.\*": unknown option .*"rateLimit"/,
    );
    assert.throws(wrong({ mail: { args: [] } }), /"mail": args belongs to one task/);
    assert.throws(
      wrong({ mail: { schedule: { kind: 'every', everyMs: 1000 } } }),
      /schedule belongs to one task/,
    );
    for (const bad of ['mail', 5, null, [['mail']], [[5, {}]], { mail: 'queue' }])
      assert.throws(wrong(bad), OptionError, String(bad));
    assert.equal(compileAnnotations(undefined, 'x'), undefined);
    assert.equal(compileAnnotations({}, 'x'), undefined);
  });

  it('reach tasks that are registered and tasks that are only named, but no call’s own options', () => {
    const options: CeleriacOptions = {
      broker: 'memory://',
      taskDefaults: { queue: 'all' },
      routes: { far: 'routed' },
      annotations: { 'near*': { softTimeLimit: '2m' }, far: { queue: 'annotated' } },
    };
    const app = new Celeriac('annotated', options);
    assert.throws(() => app.task('near', { timeLimit: '1m' }, () => undefined), /task "near": softTimeLimit/);
    assert.throws(() => app.tasks()({ near: { name: 'nearer', timeLimit: '1m' } } as never), OptionError);
  });
});
