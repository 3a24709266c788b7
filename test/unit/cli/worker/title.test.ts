import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { workerTitle } from '#src/cli/worker/title.js';

describe('The title of a process', () => {
  it('says which worker it is, and how many tasks it runs at a time', () => {
    const node = 'mail@web1';
    assert.equal(
      workerTitle({ node, concurrency: 4, autoscale: undefined }),
      'celeriac worker mail@web1 (4 slots)',
    );
    assert.equal(
      workerTitle({ node, concurrency: 1, autoscale: undefined }),
      'celeriac worker mail@web1 (1 slot)',
    );
    assert.equal(
      workerTitle({ node, concurrency: 2, autoscale: { max: 8, min: 2 }, processes: 3 }),
      'celeriac worker mail@web1 (3 × 2 to 8 slots)',
    );
    assert.equal(
      workerTitle({ node, concurrency: 4, autoscale: undefined }, 17),
      'celeriac worker mail@web1 (4 slots, process of 17)',
    );
  });
});
