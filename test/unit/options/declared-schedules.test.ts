import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { crontab, every, OptionError } from 'celeriac';
import { readDeclared } from '#src/options/declared-schedules.js';
import { checkSchedule } from '#src/options/schedules.js';
import { ownNext } from '#src/schedules/own-kinds.js';

const read = (given: unknown) => readDeclared(given, 'report', '@Task: schedule');
const named = (given: unknown) => read(given).map(({ name, when, args }) => [name, when, args]);

class Daily {
  constructor(readonly hour: number) {}
  next(after: Date): Date {
    return new Date(Math.floor(after.getTime() / 86_400_000 + 1) * 86_400_000 + this.hour * 3_600_000);
  }
}

describe('A declared schedule', () => {
  const when = every('5m');

  it('is one of the task’s name, with arguments or without, or several with names of their own', () => {
    const args = () => [1];
    assert.deepEqual(read(undefined), []);
    assert.deepEqual(named(when), [['report', when, []]]);
    assert.deepEqual(named({ when }), [['report', when, []]]);
    assert.deepEqual(named({ when, args }), [['report', when, args]]);
    assert.deepEqual(named({ name: 'own', when }), [['own', when, []]]);
    const list = [{ when }, { name: 'acme', when, args: ['acme'] }];
    const two = [
      ['report', when, []],
      ['acme', when, ['acme']],
    ];
    assert.deepEqual(named(list), two);
    const cron = crontab('0 9 * * *');
    assert.deepEqual(named({ nightly: { when, args: [1] }, daily: cron }), [
      ['nightly', when, [1]],
      ['daily', cron, []],
    ]);
  });

  it('may be an object or an instance of a class, known by its code and its data', () => {
    const [early, other, late] = [read(new Daily(3)), read({ when: new Daily(3) }), read(new Daily(9))];
    assert.equal(early[0]?.when.kind, 'own');
    assert.deepEqual(early[0]?.when, other[0]?.when);
    assert.notDeepEqual(early[0]?.when, late[0]?.when);
    assert.notDeepEqual(read({ next: () => null })[0]?.when, read({ next: (after: Date) => after })[0]?.when);
    assert.throws(() => checkSchedule(new Daily(3), 'upsert'), /belongs to a task/);
    assert.throws(() => checkSchedule({ kind: 'own', code: 'x' }, 'upsert'), OptionError);
  });

  it('is refused by where it is wrong', () => {
    assert.throws(() => read([{ name: 'a', when: 'daily' }]), /schedule\[0\]: when: .*no schedule/);
    assert.throws(() => read({ a: { when, arg: [] } }), /"a": unknown option "arg".*"args"/);
    assert.throws(
      () =>
        read([
          { name: 'a', when },
          { name: 'a', when },
        ]),
      /two schedules are called "a"/,
    );
    for (const wrong of ['daily', 5, null, [when], { a: null }])
      assert.throws(() => read(wrong), OptionError);
  });
});

describe('The next tick of a kind of its own', () => {
  it('is a later moment, or none', () => {
    assert.equal(ownNext(new Daily(1), 'x')(0), 86_400_000 + 3_600_000);
    assert.equal(ownNext({ next: () => null }, 'x')(0), undefined);
    for (const wrong of [new Date(5), new Date(Number.NaN), 7, '2027-01-01'])
      assert.throws(
        () => ownNext({ next: () => wrong as Date }, 'nightly')(5),
        /schedule "nightly": next\(.*later Date/,
      );
  });
});
