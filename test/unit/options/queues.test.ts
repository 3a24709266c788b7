import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Celeriac, type CeleriacOptions, isCeleriacError, OptionError } from 'celeriac';
import { CallResolver } from '#src/calls/resolve.js';
import { checkDeclared, queueNames } from '#src/options/queues.js';

/** An app that declares queues, on a broker that nobody asks. */
const declaring = (options: CeleriacOptions = {}) =>
  new Celeriac('declaring', { broker: 'redis://127.0.0.1:1/0', queues: ['mail', 'reports'], ...options });

describe('Declared queues', () => {
  it('are the only ones, and the default one; the nearest is named', () => {
    assert.doesNotThrow(() => checkDeclared(undefined, 'any', 'x'));
    assert.doesNotThrow(() => checkDeclared(['mail'], 'mail', 'x'));
    assert.throws(
      () => checkDeclared(['mail', 'reports'], 'mial', 'report: queue'),
      (error) => {
        assert.ok(isCeleriacError(error, 'OPTION'));
        assert.match(
          error.message,
          /^report: queue: the queue "mial" .* Did you mean "mail"\? Declared: mail, reports/,
        );
        return true;
      },
    );
    assert.throws(
      () => checkDeclared(['mail'], 'something', 'x'),
      (error) => !/Did you mean/.test(String(error)),
    );
    assert.deepEqual(declaring().conf.queues, ['celeriac', 'mail', 'reports']);
    assert.deepEqual(declaring({ defaultQueue: 'mail' }).conf.queues, ['mail', 'reports']);
  });

  it('hold for tasks, references, defaults, annotations, routes and workers, where they are written', async () => {
    const app = declaring();
    app.task('fine', { queue: 'mail' }, () => undefined);
    assert.throws(() => app.task('x', { queue: 'mial' }, () => undefined), /task "x": .*"mial".*"mail"/);
    assert.throws(() => app.tasks()({ x: { name: 'x', queue: 'mial' } } as never), /task "x": .*"mial"/);
    assert.throws(() => declaring({ taskDefaults: { queue: 'mial' } }), /taskDefaults\.queue: .*"mial"/);
    assert.throws(
      () => declaring({ annotations: { 'x*': { queue: 'mial' } } }),
      /annotations: "x\*": .*"mial"/,
    );
    assert.throws(() => declaring({ routes: { x: 'mial' } }), /routes\[0\]: .*"mial"/);
    assert.throws(() => declaring({ routes: [['x', { queue: 'mial' }]] }), /routes\[0\]: .*"mial"/);
    assert.throws(() => app.worker({ queues: ['mail', 'mial'] }), /app\.worker\(\): queues: .*"mial"/);
    await assert.rejects(app.control.addConsumer('mial'), /addConsumer: .*"mial"/);
  });

  it('are what a worker takes from that names none', () => {
    const names = (worker: { describe(): { queues: readonly { name: string }[] } }) =>
      worker.describe().queues.map(({ name }) => name);
    assert.deepEqual(names(declaring().worker()), ['celeriac', 'mail', 'reports']);
    assert.deepEqual(names(declaring().worker({ queues: ['reports'] })), ['reports']);
    assert.deepEqual(names(declaring({ queues: [] }).worker()), ['celeriac']);
  });

  it('hold for each call, whoever chose its queue', () => {
    const target = { name: 'report', publish: { queue: 'old' }, lane: false } as never;
    const router = (name: string) => (name === 'report' ? 'mail' : undefined);
    const params = { router, defaultQueue: 'celeriac', timezone: 'UTC' };
    const declared = new CallResolver({ ...params, queues: ['mail'] });
    assert.equal(declared.placeOf(target, 'mail'), 'mail');
    assert.throws(() => declared.placeOf(target, 'mial'), /report: .*"mial"/);
    assert.throws(() => declared.placeOf(target, undefined), /report: .*"old"/);
    assert.equal(new CallResolver(params).placeOf(target, 'mial'), 'mial');
  });

  it('must be a list of names', () => {
    for (const wrong of ['mail', { mail: 1 }, ['mail', ''], [5]])
      assert.throws(() => queueNames(wrong, 'queues'), OptionError, JSON.stringify(wrong));
    assert.deepEqual(queueNames(['b', 'a', 'b'], 'queues'), ['b', 'a']);
  });
});
