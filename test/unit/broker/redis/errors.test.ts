import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BrokerError, BrokerUnavailableError } from 'celeriac';
import { refusalIn, troubleIn, unavailable } from '#src/broker/redis/errors.js';
import { Troubles } from '#src/broker/redis/troubles.js';

const ANSWERS = {
  passing: [
    "READONLY You can't write against a read only replica.",
    "READONLY You can't write against a read only replica. script: 3fbd, on @user_script:5.",
    "ERR Error running script (call to f_3fbd): @user_script:5: -READONLY You can't write against a read only replica.",
    'LOADING Redis is loading the dataset in memory',
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    'CLUSTERDOWN Hash slot not served',
    'CLUSTERDOWN The cluster is down',
    'TRYAGAIN Multiple keys request during rehashing of slot',
    'MOVED 3999 127.0.0.1:6381',
    'ASK 3999 127.0.0.1:6381',
    'Too many Cluster redirections. Last error: ReplyError: MOVED 3999 127.0.0.1:6381',
    'BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.',
    'UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)',
    'NOSCRIPT No matching script. Please use EVAL.',
    'ERR max number of clients reached',
    'ERR failover in progress',
  ],
  refusing: [
    "OOM command not allowed when used memory > 'maxmemory'.",
    "OOM command not allowed when used memory > 'maxmemory'. script: 3fbd, on @user_script:5.",
    'MISCONF Redis is configured to save RDB snapshots, but it is currently unable to persist to disk.',
    'NOREPLICAS Not enough good replicas to write.',
  ],
  forbidden: [
    "NOPERM this user has no permissions to run the 'evalsha' command",
    'NOPERM No permissions to access a key. script: 3fbd, on @user_script:5.',
    'NOAUTH Authentication required.',
    'WRONGPASS invalid username-password pair or user is disabled.',
    'WRONGPASS',
    'ERR invalid password',
  ],
  away: [
    'Connection is closed.',
    'Command aborted due to connection close',
    "Stream isn't writeable and enableOfflineQueue options is false",
    "Cluster isn't ready and enableOfflineQueue options is false",
    'Reached the max retries per request limit (which is 0).',
    'None of startup nodes is available',
    'Failed to refresh slots cache.',
    'All sentinels are unreachable and retry is disabled.',
  ],
} as const;

describe('An error of Redis', () => {
  for (const [trouble, messages] of Object.entries(ANSWERS))
    it(`that is ${trouble} is known for it`, () => {
      for (const message of messages) {
        assert.equal(troubleIn(new Error(message)), trouble, message);
        const ours = new BrokerError('told in our words', { cause: new Error(message) });
        assert.equal(troubleIn(ours), trouble, `around: ${message}`);
      }
    });

  it('of a socket is known by its code', () => {
    for (const code of [
      'ECONNREFUSED',
      'ECONNRESET',
      'EPIPE',
      'ENOTFOUND',
      'EAI_AGAIN',
      'ETIMEDOUT',
      'EHOSTUNREACH',
    ])
      assert.equal(troubleIn(Object.assign(new Error('it broke'), { code })), 'away', code);
    assert.equal(troubleIn(new BrokerUnavailableError('gone', { address: 'redis://x' })), 'away');
  });

  it('that is about a command, or of somebody else, says nothing of the broker', () => {
    for (const message of [
      'WRONGTYPE Operation against a key holding the wrong kind of value',
      'ERR wrong number of arguments',
      'BUSYGROUP Consumer Group name already exists',
      'the BUSY signal was heard',
      'LOADINGDOCK is shut',
      'Missing lock for job 4. moveToFinished',
    ])
      assert.equal(troubleIn(new Error(message)), undefined, message);
    assert.equal(troubleIn('READONLY in a text'), undefined);
  });

  it('that ended a transaction is what one of its commands said', () => {
    const aborted = Object.assign(new Error('EXECABORT Transaction discarded because of previous errors.'), {
      previousErrors: [new Error("OOM command not allowed when used memory > 'maxmemory'.")],
    });
    assert.equal(troubleIn(aborted), 'refusing');
    assert.match(refusalIn(aborted, 'redis://x')?.message ?? '', /memory limit .*\(OOM command not allowed/);
  });

  it('that only an operator can mend says what to look at, without the arguments of the command', () => {
    const words = {
      OOM: /Raise maxmemory/,
      MISCONF: /disk full/,
      NOREPLICAS: /min-replicas-to-write/,
      NOPERM: /rights/,
    };
    for (const [code, advice] of Object.entries(words)) {
      const command = { name: 'evalsha', args: ['secret'] };
      const refusal = refusalIn(Object.assign(new Error(`${code} no.`), { command }), 'redis://x:1/0');
      assert(refusal instanceof BrokerError && !(refusal instanceof BrokerUnavailableError));
      assert.match(refusal.message, advice);
      assert.match(refusal.message, new RegExp(`^The broker at redis://x:1/0 .*\\(${code} no\\)`));
      assert.deepEqual((refusal.cause as { command?: unknown }).command, { name: 'evalsha' });
    }
    assert.equal(refusalIn(new Error('LOADING Redis is loading'), 'redis://x'), undefined);
  });

  it('that passes is told apart from nobody answering', () => {
    assert.match(
      unavailable('redis://x', new Error('LOADING not yet')).message,
      /answers, but cannot .*LOADING not yet/,
    );
    assert.match(unavailable('redis://x', new Error('Connection is closed.')).message, /cannot be reached/);
  });
});

describe('Trouble with a broker that is there', () => {
  it('is logged once a minute for each kind, in our words', () => {
    let now = 0;
    const lines: string[] = [];
    const troubles = new Troubles('redis://x', { onTrouble: (message) => lines.push(message) }, () => now);
    const oom = new Error("OOM command not allowed when used memory > 'maxmemory'.");
    for (let i = 0; i < 5; i++) troubles.note(oom);
    troubles.note(new BrokerError('told already', { cause: oom }));
    troubles.note(new Error('LOADING Redis is loading the dataset in memory'));
    assert.equal(lines.length, 2);
    assert.match(lines[0] ?? '', /memory limit/);
    assert.match(lines[1] ?? '', /answers, but cannot/);
    now = 60_000;
    troubles.note(oom);
    assert.equal(lines.length, 3);
  });
});
