import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Celeriac } from 'celeriac';
import { testing } from 'celeriac/testing';
import fc from 'fast-check';
import { OptionError } from '#src/errors.js';
import { overRoute } from '#src/options/call-options.js';
import { compileRoutes, type Routes } from '#src/options/routes.js';

const route = (routes: Routes, name: string) => compileRoutes(routes, 'routes')?.(name, [], {});

describe('Routes', () => {
  it('are tried in order; the first that matches decides', () => {
    const routes: Routes = [
      ['mail.urgent', 'fast'],
      ['mail.*', 'mail'],
      ['*', 'rest'],
    ];
    assert.equal(route(routes, 'mail.urgent'), 'fast');
    assert.equal(route(routes, 'mail.slow'), 'mail');
    assert.equal(route(routes, 'mailx'), 'rest');
  });

  it('in a map an exact name beats the globs, wherever it stands', () => {
    const map = { '*': 'rest', 'mail.*': 'mail', 'mail.urgent': 'fast' };
    for (const routes of [map, new Map(Object.entries(map)), [map]] as Routes[]) {
      assert.equal(route(routes, 'mail.urgent'), 'fast');
      assert.equal(route(routes, 'mail.slow'), 'rest');
    }
  });

  it('match exact names whole, globs with * and ?, and expressions anywhere', () => {
    assert.equal(route({ report: 'q' }, 'reports'), undefined);
    assert.equal(route({ 'a?c': 'q' }, 'abc'), 'q');
    assert.equal(route({ 'a?c': 'q' }, 'ac'), undefined);
    assert.equal(route({ 'a.*': 'q' }, 'axb'), undefined, 'a dot is a dot');
    assert.equal(route({ '*mail*': 'q' }, 'send\nmail\nnow'), 'q');
    assert.equal(route([[/img/, 'q']], 'an-img-task'), 'q');
    const sticky = /x/g;
    assert.deepEqual([route([[sticky, 'q']], 'ax'), route([[sticky, 'q']], 'ax')], ['q', 'q']);
  });

  it('a glob of a name without wildcards matches that name alone, whatever is in it', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.string({ minLength: 1 }), (name, other) => {
        fc.pre(!/[*?]/.test(name));
        assert.equal(route([[name, 'q']], name), 'q');
        assert.equal(route([[name, 'q']], other), name === other ? 'q' : undefined);
        assert.equal(route([[`${name}*`, 'q']], name + other), 'q');
      }),
    );
  });

  it('functions see name, arguments and options; undefined lets the next one decide', () => {
    const seen: unknown[] = [];
    const router = compileRoutes(
      [
        (...call) => {
          seen.push(call);
          return undefined;
        },
        ['x', { queue: 'q', priority: 3 }],
      ],
      'routes',
    );
    assert.deepEqual(router?.('x', [1], { countdown: 5 }), { queue: 'q', priority: 3 });
    assert.deepEqual(seen, [['x', [1], { countdown: 5 }]]);
  });

  it('are also one function, a Map with expressions, a list of maps; a pattern may have a function', () => {
    const byName = (name: string) => (name === 'mail.send' ? 'mail' : undefined);
    const all: Routes[] = [
      byName,
      new Map<string | RegExp, string>([[/^mail/, 'mail']]),
      [{ 'img.*': 'images' }, { 'mail.*': 'mail' }],
      [['x', 'y'], new Map([['mail.send', 'mail']]), byName],
      [['mail.*', byName]],
      { 'mail.*': byName },
    ];
    for (const routes of all) {
      assert.equal(route(routes, 'mail.send'), 'mail');
      assert.equal(route(routes, 'other'), undefined);
    }
  });

  it('a function that gives null has not decided; what is no target is refused at the call', () => {
    assert.equal(route([() => null as never, ['x', 'q']], 'x'), 'q');
    for (const wrong of [5, true, ['q'], 'a:b', { qeue: 'q' }, Promise.resolve('q'), () => 'q'])
      assert.throws(() => route([() => wrong as never], 'x'), OptionError, String(wrong));
  });

  it('give way to the options of the call, its due moment above all', () => {
    const merged = overRoute(
      { queue: 'q', countdown: '1h', priority: 3 },
      { eta: '2030-01-01', priority: 1 },
    );
    assert.deepEqual(merged, { queue: 'q', eta: '2030-01-01', priority: 1 });
  });

  it('none are no router at all', () => {
    assert.equal(compileRoutes(undefined, 'routes'), undefined);
    assert.equal(compileRoutes([], 'routes'), undefined);
    assert.equal(compileRoutes({}, 'routes'), undefined);
  });

  it('that are none are refused, by their place', () => {
    const lists = [[['x']], [[1, 'q']], ['x'], [['x', 'a:b']], [null], [['x', 5]], [['x', null]]];
    const maps = [
      { x: 5 },
      { x: null },
      { x: { qeue: 'q' } },
      { x: { queue: 'a:b' } },
      { x: { priority: -1 } },
    ];
    for (const wrong of [...lists, ...maps, 5, 'q', null, Promise.resolve({ x: 'q' })]) {
      assert.throws(
        () => compileRoutes(wrong as never, 'routes'),
        (error: Error) => {
          assert(error instanceof OptionError, String(error));
          return true;
        },
      );
    }
    assert.throws(() => compileRoutes([['a', 'q'], ['b']] as never, 'app: routes'), /app: routes\[1\]/);
  });
});

describe('The queue of a call', () => {
  it('is the call’s own, else the task’s, else the route’s, else the default of all tasks', async (t) => {
    const routes = { '*': { queue: 'routed', priority: 7 } };
    const app = new Celeriac('queues', { broker: 'memory://', routes, taskDefaults: { queue: 'default' } });
    t.after(() => app.close());
    const kit = testing(app, { mode: 'inline' });
    const plain = app.task('plain', () => 1);
    const own = app.task('own', { queue: 'own', priority: undefined as never }, () => 1);
    await plain.delay();
    await own.delay();
    await own.applyAsync([], { queue: 'call', priority: 1 });
    await app
      .tasks<{ plain(): number }>()({ plain: { name: 'plain', queue: 'named' } })
      .plain.delay();
    assert.deepEqual(
      kit.sent().map(({ queue, priority }) => [queue, priority]),
      [
        ['routed', 7],
        ['own', 7],
        ['call', 1],
        ['named', 7],
      ],
    );
  });

  it('and its moments count in the app’s time zone', async (t) => {
    const app = new Celeriac('zones', { broker: 'memory://', timezone: 'Asia/Tokyo' });
    t.after(() => app.close());
    const kit = testing(app, { mode: 'inline' });
    const plain = app.task('plain', () => 1);
    await plain.applyAsync([], { eta: '2100-01-01', expires: '2100-01-02T00:00:00' });
    const task = app.task('task', { expires: '2100-01-02T00:00:00' }, () => 1);
    await task.delay();
    const [first, second] = kit.sent();
    assert.equal(first?.eta?.toISOString(), '2099-12-31T15:00:00.000Z');
    assert.equal(first?.expires?.toISOString(), '2100-01-01T15:00:00.000Z');
    assert.equal(second?.expires?.toISOString(), '2100-01-01T15:00:00.000Z');
  });
});
