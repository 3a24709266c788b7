import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HIDDEN, type Hiding, shownField, shownInstead, shownOfRunning } from '#src/tasks/shown-arguments.js';

const PLAIN: Hiding = { publish: {} };
const SENSITIVE: Hiding = { publish: { sensitive: true } };
const masking: Hiding = {
  publish: {},
  argsRepr: (order: string, card: string) => `${order}, …${card.slice(-2)}`,
};

describe('What is shown of hidden arguments', () => {
  it('is nothing for a sensitive task or call, and the arguments for any other', () => {
    assert.equal(shownField(PLAIN, ['a'], undefined), undefined);
    assert.equal(shownField(SENSITIVE, ['a'], undefined), true);
    assert.equal(shownField(PLAIN, ['a'], true), true);
    assert.equal(shownField(SENSITIVE, ['a'], false), undefined);
    assert.deepEqual(shownInstead({ shown: true }), [HIDDEN]);
    assert.equal(shownInstead({}), undefined);
    assert.deepEqual(shownInstead({}, SENSITIVE), [HIDDEN], 'sent by who does not know the task');
  });

  it('is what argsRepr says of them, called with the list spread', () => {
    assert.deepEqual(shownField(masking, ['7', '4111'], undefined), ['7, …11']);
    assert.deepEqual(shownField(masking, ['7', '4111'], true), ['7, …11']);
    const each: Hiding = { ...masking, each: true };
    assert.deepEqual(shownField(each, [['7', '4111'], ['8']], undefined), [['7, …11'], HIDDEN]);
    const listed: Hiding = { publish: {}, argsRepr: (a: number, b: number) => [a, { sum: a + b }] };
    assert.deepEqual(shownField(listed, [1, 2], undefined), [1, { sum: 3 }]);
  });

  it('is nothing where argsRepr cannot say it: it throws, is late, or arguments are missing', () => {
    assert.equal(shownField(masking, ['7'], undefined), true);
    assert.equal(shownField(masking, undefined, undefined), true);
    const late: Hiding = { publish: {}, argsRepr: async () => 'late' };
    assert.equal(shownField(late, [], undefined), true);
    for (const given of [undefined, Symbol('x'), () => 'x'])
      assert.equal(shownField({ publish: {}, argsRepr: () => given }, [], undefined), true);
  });

  it('is short, whatever argsRepr gives', () => {
    const long: Hiding = { publish: {}, argsRepr: () => Array(50).fill('x'.repeat(5_000)) };
    const shown = shownField(long, [], undefined);
    assert(Array.isArray(shown));
    assert(JSON.stringify(shown).length < 2_000);
    assert.equal(shown.at(-1), '…');
  });

  it('is found out where all arguments are, if the caller had not all of them', () => {
    assert.deepEqual(shownOfRunning({ shown: true }, masking, ['7', '4111']), ['7, …11']);
    assert.deepEqual(shownOfRunning({}, masking, ['7', '4111']), ['7, …11']);
    assert.deepEqual(shownOfRunning({ shown: true }, PLAIN, ['7', '4111']), [HIDDEN]);
    assert.deepEqual(shownOfRunning({ shown: ['own'] }, masking, ['7', '4111']), ['own']);
    assert.equal(shownOfRunning({}, PLAIN, ['7']), undefined);
  });
});
