/** Which name a worker answers by, when others have the one it wants. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { BusNode } from '#src/broker/bus.js';
import { WORKER_MARK } from '#src/control/commands.js';
import { otherName } from '#src/control/responder.js';

const node = (id: string, name: string, since: number, mark = WORKER_MARK): BusNode => ({
  id,
  name: mark + name,
  since,
});

/** The name that this node takes instead of `mine`, among these. */
const insteadOf = (nodeId: string, mine: string, wanted: string, nodes: readonly BusNode[]) =>
  otherName({ nodeId, nodes: async () => [...nodes] }, mine, wanted);

describe('The name of a worker', () => {
  it('is its own while nobody else has it, whatever a caller is called', async () => {
    const nodes = [node('1', 'w', 5), node('2', 'other', 1), node('3', 'w', 1, '')];
    assert.equal(await insteadOf('1', 'w', 'w', nodes), undefined);
  });

  it('stays with the first; those that came later take free ones, each another', async () => {
    const nodes = [node('a', 'w', 3), node('c', 'w', 1), node('b', 'w', 2)];
    assert.equal(await insteadOf('c', 'w', 'w', nodes), undefined);
    assert.equal(await insteadOf('b', 'w', 'w', nodes), 'w-2');
    assert.equal(await insteadOf('a', 'w', 'w', nodes), 'w-3');
  });

  it('is decided by their ids where two came at the same moment', async () => {
    const nodes = [node('b', 'w', 1), node('a', 'w', 1)];
    assert.equal(await insteadOf('a', 'w', 'w', nodes), undefined);
    assert.equal(await insteadOf('b', 'w', 'w', nodes), 'w-2');
  });

  it('is none that another has, and goes on from the one that was wanted', async () => {
    const nodes = [node('a', 'w-2', 1), node('b', 'w-2', 2), node('x', 'w', 1), node('y', 'w-3', 1)];
    assert.equal(await insteadOf('b', 'w-2', 'w', nodes), 'w-4');
  });

  it('stays where the bus does not list it yet', async () => {
    assert.equal(await insteadOf('me', 'w', 'w', [node('a', 'w', 1)]), undefined);
  });
});
