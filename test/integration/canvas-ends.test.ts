/** How workflows end that leave no result: by a task that ignores itself, or because nobody wants one. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type AsyncResult, chain, chord, type GroupResult, group, Ignore } from 'celeriac';
import { gate, onEveryEngine, type TestApp, until } from '../support/app.js';

const SOON = { timeout: '20s' } as const;

function tasks({ app }: TestApp) {
  const ran: string[] = [];
  const note = app.task('note', async (...args: unknown[]) => {
    const [name] = args.slice(-1);
    ran.push(String(name));
    return name;
  });
  const ignore = app.task('ignore', async (..._before: unknown[]): Promise<unknown> => {
    ran.push('ignore');
    throw new Ignore();
  });
  const end = app.task('end', async function (..._before: unknown[]): Promise<unknown> {
    ran.push('end');
    return this.endWorkflow('ended');
  });
  return { ran, note, ignore, end };
}

describe('a task that ignores itself in a workflow', () => {
  onEveryEngine((ground) => {
    it('ends it without a result: nothing runs after it, and who waits gets undefined', async (t) => {
      const made = ground.app(t);
      const { ran, note, ignore } = tasks(made);
      const elsewhere = made.twin();
      const flow = chain(
        note.s('first'),
        ignore.s().link(note.s('own link')),
        note.s('next'),
        group(note.s('g1'), note.s('g2')),
      )
        .link(note.s('link'))
        .onError(note.s('errback'));
      const result = await flow.delay();
      const ids = (await result.graph()).nodes.map(({ id }) => id);
      const waits = [
        result.get(SOON),
        elsewhere.result(result.id).get(SOON),
        ...ids.slice(1, 3).map((id) => elsewhere.result(id).get(SOON)),
      ];
      await made.worker();
      assert.deepEqual(
        await Promise.all(waits),
        waits.map(() => undefined),
      );
      assert.equal(await made.twin().result(result.id).get(SOON), undefined, 'who asks later too');
      assert.equal(await result.exists(), false);
      const last = await note.delay('after all');
      await last.get(SOON);
      assert.deepEqual(ran, ['first', 'ignore', 'after all']);
    });

    it('ends the chord whose header it is in; those beside it go on', async (t) => {
      const made = ground.app(t);
      const { ran, note, ignore } = tasks(made);
      const result = await chord(
        [chain(ignore.si(), note.s('step')), note.si('beside')],
        note.s('body'),
      ).delay();
      await made.worker();
      assert.equal(await result.get(SOON), undefined);
      const header = result.parent as GroupResult;
      assert.equal(await header.results[0]?.get(SOON), undefined);
      assert.equal(await header.results[1]?.get(SOON), 'beside');
      await (await note.delay('after all')).get(SOON);
      assert.deepEqual(ran.sort(), ['after all', 'beside', 'ignore']);
    });

    it('leaves a gap in a group that nothing waits for', async (t) => {
      const made = ground.app(t);
      const { ran, note, ignore } = tasks(made);
      const flow = group(
        chain(ignore.si(), note.s('step')),
        ignore.si().link(note.s('link')),
        note.si('beside'),
      );
      const result = (await flow.delay()) as GroupResult;
      await made.worker();
      assert.deepEqual(await result.get(SOON), [undefined, undefined, 'beside']);
      assert.deepEqual(await Promise.all(result.results.map((member) => member.get(SOON))), [
        undefined,
        undefined,
        'beside',
      ]);
      await (await note.delay('after all')).get(SOON);
      assert.deepEqual(ran.sort(), ['after all', 'beside', 'ignore', 'ignore']);
    });

    it('ends what took a task’s place, and with it that task’s own workflow', async (t) => {
      const made = ground.app(t);
      const { ran, note, ignore } = tasks(made);
      const fork = made.app.task('fork', async function (): Promise<unknown> {
        return this.replace(chain(ignore.si(), note.s('inner')));
      });
      await made.worker();
      const alone = await fork.delay();
      const within = await chain(fork.si(), note.s('outer')).delay();
      assert.deepEqual([await alone.get(SOON), await within.get(SOON)], [undefined, undefined]);
      assert.deepEqual(ran, ['ignore', 'ignore']);
    });
  });
});

/** How each task of the workflow around a result reads, by its last argument. */
async function states(result: AsyncResult): Promise<[name: unknown, state: string][]> {
  const { nodes } = await result.graph();
  return nodes.map(({ name, state }) => [name, state]);
}

const SKIPPED = { name: 'TaskRevokedError', reason: 'workflow ended' };

describe('a task that ends its workflow', () => {
  onEveryEngine((ground) => {
    it('gives the whole its value: the links of the whole run, the parts after it never do', async (t) => {
      const made = ground.app(t);
      const { ran, note, end } = tasks(made);
      const flow = chain(
        note.s('first'),
        end.s().link(note.s('own link')),
        note.s('next').link(note.s('never')),
        group(note.s('g1'), note.s('g2')),
        note.s('last'),
      )
        .link(note.s('link'))
        .onError(note.s('errback'));
      const result = (await flow.delay()) as AsyncResult;
      const waits = [result.get(SOON), made.twin().result(result.id).get(SOON)];
      await made.worker();
      assert.deepEqual(await Promise.all(waits), ['ended', 'ended']);
      assert.equal(await made.twin().result(result.id).get(SOON), 'ended', 'who asks later too');
      const header = result.parent as GroupResult;
      const next = header.parent as AsyncResult;
      await assert.rejects(next.get(SOON), SKIPPED);
      await assert.rejects((header.results[1] as AsyncResult).get(SOON), SKIPPED);
      assert.equal(await (next.parent as AsyncResult).get(SOON), 'ended');
      await until(() => ran.length === 4, 'both links');
      await (await note.delay('after all')).get(SOON);
      assert.deepEqual(ran.sort(), ['after all', 'end', 'first', 'link', 'own link']);
      const linked = ['note', 'SUCCESS'];
      const skipped = ['note', 'REVOKED'];
      assert.deepEqual(await states(result), [
        linked,
        ['end', 'SUCCESS'],
        linked,
        skipped,
        skipped,
        skipped,
        skipped,
        ['note', 'SUCCESS'],
        linked,
      ]);
    });

    it('ends the chord whose header it is in, and what has not begun beside it', async (t) => {
      const made = ground.app(t);
      const { ran, note, end } = tasks(made);
      const result = (await chord(
        [end.si(), note.si('beside'), chain(note.si('also beside'), note.s('step'))],
        note.s('body'),
      )
        .link(note.s('link'))
        .delay()) as AsyncResult;
      await made.worker({ concurrency: 1 });
      assert.equal(await result.get(SOON), 'ended');
      const header = result.parent as GroupResult;
      assert.equal(await header.results[0]?.get(SOON), 'ended');
      for (const beside of header.results.slice(1)) await assert.rejects(beside.get(SOON), SKIPPED);
      await until(() => ran.includes('link'), 'the link');
      await (await note.delay('after all')).get(SOON);
      assert.deepEqual(ran, ['end', 'link', 'after all']);
    });

    it('ends a chain that is a member by itself: in a group, and in the header of a chord', async (t) => {
      const made = ground.app(t);
      const { ran, note, end } = tasks(made);
      const members = (await group(
        chain(end.si(), note.s('never')),
        note.si('beside'),
        end.si(),
      ).delay()) as GroupResult;
      const body = await chord([chain(end.si(), note.s('never')), note.si('beside')], note.s()).delay();
      await made.worker();
      assert.deepEqual(await members.get(SOON), ['ended', 'beside', 'ended']);
      assert.deepEqual(await Promise.all(members.results.map((member) => member.get(SOON))), [
        'ended',
        'beside',
        'ended',
      ]);
      assert.deepEqual(await body.get(SOON), ['ended', 'beside']);
      assert.ok(!ran.includes('never'));
    });

    it('ends the workflow of the task whose place it took, and only its own if it took it as a chain', async (t) => {
      const made = ground.app(t);
      const { ran, note, end } = tasks(made);
      const fork = made.app.task('fork', async function (alone: boolean): Promise<unknown> {
        return this.replace(alone ? end.si() : chain(end.si(), note.s('never')));
      });
      await made.worker();
      const whole = await chain(fork.si(true), note.s('outer'), note.s('last')).delay();
      const inner = await chain(fork.si(false), note.s('outer')).delay();
      assert.equal(await whole.get(SOON), 'ended');
      await assert.rejects((whole.parent as AsyncResult).get(SOON), SKIPPED);
      assert.equal(await inner.get(SOON), 'outer');
      assert.ok(!ran.includes('last') && !ran.includes('never'), String(ran));
    });
  });
});

describe('a workflow whose result nobody wants', () => {
  onEveryEngine((ground) => {
    it('gives no values: a group undefined for each, a chain that ends with one undefined', async (t) => {
      const made = ground.app(t);
      const { note, ran } = tasks(made);
      const { app } = made;
      const members = (await group(note.si('a'), note.si('b')).applyAsync([], {
        ignoreResult: true,
      })) as GroupResult;
      const ending = (await chain(note.si('c'), group(note.si('d'), note.si('e'))).applyAsync([], {
        ignoreResult: true,
      })) as unknown as AsyncResult;
      const mixed = (await group(
        note.si('f').set({ ignoreResult: true }),
        note.si('g'),
      ).delay()) as GroupResult;
      assert.deepEqual(await members.get(SOON), [undefined, undefined], 'nobody waits for them');
      assert.equal(await ending.get(SOON), undefined);
      assert.equal(await made.twin().result(ending.id).get(SOON), undefined);
      await made.worker();
      assert.deepEqual(await mixed.get(SOON), [undefined, 'g']);
      await until(() => ran.length === 7, 'the end of all');
      assert.deepEqual(await members.get(SOON), [undefined, undefined]);
      assert.deepEqual(await (await app.groupResult(mixed.id)).get(SOON), [undefined, 'g']);
    });
  });
});

describe('a task that is forgotten while it runs', () => {
  onEveryEngine((ground) => {
    it('is known and waited for until its end, and leaves no record', async (t) => {
      const made = ground.app(t);
      const open = gate();
      const began = gate();
      const slow = made.app.task('slow', async () => {
        began.open();
        await open.opened;
        return 42;
      });
      await made.worker();
      const result = await slow.delay();
      await began.opened;
      const waiting = made.twin().result(result.id).get(SOON);
      await result.forget();
      let ended = false;
      void waiting.finally(() => {
        ended = true;
      });
      assert.deepEqual([await result.status, ended], ['STARTED', false]);
      open.open();
      assert.equal(await waiting, 42);
      await until(async () => !(await result.exists()), 'the end of its record');
      await assert.rejects(result.get(SOON), { name: 'UnknownTaskError' });
    });
  });
});
