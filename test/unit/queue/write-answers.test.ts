import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BrokerUnavailableError, CeleriacError } from '#src/errors.js';
import { isBrokersFault, writeAnswer } from '#src/queue/write-answers.js';

const reply = (message: string) => Object.assign(new Error(message), { name: 'ReplyError' });
const coded = (code: unknown, message = 'no') => Object.assign(new Error(message), { code });

/** Whatever says that the broker cannot write now. */
const PASSING = [
  ...['READONLY', 'LOADING', 'BUSY', 'OOM', 'NOREPLICAS', 'MISCONF', 'CLUSTERDOWN', 'MASTERDOWN'],
  ...['MOVED 3999 127.0.0.1:1', 'ASK 3999 127.0.0.1:1', 'TRYAGAIN', 'NOSCRIPT', 'UNBLOCKED', 'NOPERM'],
].map((word) => reply(`${word} something`));
const STATES = [
  '57014',
  '25006',
  '40001',
  '40P01',
  '53300',
  '57P01',
  '57P02',
  '57P03',
  '55P03',
  '53100',
  '08006',
];
const CONNECTIONS = [
  new Error('Connection is closed.'),
  new Error('Too many Cluster redirections. Last error: Error: MOVED'),
  new Error('Connection terminated unexpectedly'),
  coded('ECONNRESET'),
  coded('ECONNREFUSED'),
];

describe('What a broker answers to the write of an outcome', () => {
  it('means: again, when it is about the broker', () => {
    for (const error of [...PASSING, ...STATES.map((state) => coded(state)), ...CONNECTIONS])
      assert.equal(writeAnswer(error), 'again', error.message);
    assert.equal(writeAnswer('no error at all'), 'again');
  });

  it('means: gone, when the job is not this run’s any more', () => {
    for (const code of [-1, -2, -3, -6]) assert.equal(writeAnswer(coded(code)), 'gone');
  });

  it('means: refused, when it is about what was to be stored', () => {
    for (const error of [
      coded('22P05'),
      coded('54000'),
      coded('23505'),
      coded(-4),
      coded(-9),
      new RangeError('Invalid string length'),
      reply('ERR string exceeds maximum allowed size (proto-max-bulk-len)'),
    ])
      assert.equal(writeAnswer(error), 'refused', error.message);
  });
});

describe('Whether an error is the broker’s', () => {
  it('is told from ours, and from code that fails by itself', () => {
    for (const error of [...PASSING, ...STATES.map((state) => coded(state)), ...CONNECTIONS])
      assert.equal(isBrokersFault(error), true, error.message);
    assert.equal(isBrokersFault(new BrokerUnavailableError('away', { address: 'redis://x' })), true);
    for (const error of [
      new CeleriacError('ours'),
      new TypeError('x is not a function'),
      new RangeError('too deep'),
      new Error('whatever'),
      coded('ERR_INVALID_ARG_TYPE'),
      'text',
    ])
      assert.equal(isBrokersFault(error), false, String(error));
  });
});
