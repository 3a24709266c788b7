import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { encodeCustomId, IdSource, queueOfGenerated, taskIdOfJob } from '#src/protocol/ids.js';

const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.constantFrom('\0', '%', '0', '1', ':', '@', '\ud800', '\udc00', 'u', 'é', '/', ' ') }),
);

describe('Task ids', () => {
  it('carry their queue when generated, whatever the queue is called', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[^:~\s]+$/), (queue) => {
        const id = new IdSource().next(queue);
        assert.equal(queueOfGenerated(id), queue);
        assert.equal(taskIdOfJob(id), id);
      }),
    );
  });

  it('are all different, also between apps', () => {
    const sources = Array.from({ length: 20 }, () => new IdSource());
    const ids = sources.flatMap((source) => Array.from({ length: 100 }, () => source.next('q')));
    assert.equal(new Set(ids).size, ids.length);
  });

  it('of a caller become job ids that BullMQ takes', () => {
    fc.assert(
      fc.property(anyText, (taskId) => {
        fc.pre(taskId !== '');
        const jobId = encodeCustomId(taskId);
        assert.doesNotMatch(jobId, /[:@\0]/);
        assert.doesNotMatch(jobId, /^\d+$/);
        assert.equal(Buffer.from(jobId).toString(), jobId, 'well-formed text');
      }),
    );
  });

  it('of a caller are found again from the job id, lone surrogates and NUL included', () => {
    fc.assert(
      fc.property(anyText, (taskId) => {
        assert.equal(taskIdOfJob(encodeCustomId(taskId)), taskId);
      }),
      { examples: [['\0abc'], ['%00abc'], ['\ud800'], ['%u'], ['42'], ['a@b'], ['ü']] },
    );
  });

  it('of a caller never meet in one job id', () => {
    fc.assert(
      fc.property(anyText, anyText, (a, b) => {
        fc.pre(a !== b);
        assert.notEqual(encodeCustomId(a), encodeCustomId(b));
      }),
    );
  });

  it('tells no queue from an id that was not generated', () => {
    for (const id of [
      'invoice-42',
      'a@b',
      '@q',
      'short-0@q',
      'ABCDEFGHIJKL-0@q',
      'abcdefghijkl-0@',
      'notification-5@user',
    ]) {
      assert.equal(queueOfGenerated(id), undefined, id);
    }
    for (const queue of ['mail', 'a b', 'ü'])
      assert.equal(queueOfGenerated(new IdSource().next(queue)), queue);
  });

  it('takes the job id of another program as it is', () => {
    assert.equal(taskIdOfJob('17'), '17');
    assert.equal(taskIdOfJob('100%'), '100%');
  });
});
