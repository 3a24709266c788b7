/** Workflows as the page draws them, with the states that their parts have just then. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chain, group } from 'celeriac';
import { web } from 'celeriac/web';
import type { RunGraph } from '#src/web/api.js';
import { Counter, gate, onEveryEngine, rejection, until } from '../support/app.js';
import { read } from '../support/web.js';

const PATIENCE = { timeout: '60s' } as const;

describe('The graph of a workflow', () => {
  onEveryEngine(
    (ground) => {
      it('has the state of each part, from any of them', async (t) => {
        const { app, worker } = ground.app(t);
        const page = web(app);
        t.after(() => page.close());
        const open = gate();
        const begun = new Counter();
        const inc = app.task('inc', (n: number) => n + 1);
        const slow = app.task('slow', async (n: number) => {
          begun.add();
          await open.opened;
          return n;
        });
        const sum = app.task('sum', (ns: number[]) => ns.reduce((a, b) => a + b, 0));
        await worker();
        const flow = await chain(group(inc.s(1), slow.s(2)), sum.s()).delay();
        await begun.reached(1);
        const graphOf = (id: string, query = '') =>
          read<RunGraph>(page, `runs/${encodeURIComponent(id)}/graph${query}`);
        const states = (graph: RunGraph) =>
          graph.nodes.flatMap(({ kind, name, state }) => (kind === 'task' ? [`${name} ${state}`] : []));
        await until(async () => states(await graphOf(flow.id)).includes('inc SUCCESS'), 'the first end');
        const running = await graphOf(flow.id);
        assert.deepEqual(states(running), ['inc SUCCESS', 'slow STARTED', 'sum PENDING']);
        assert.deepEqual([running.kind, running.total, running.shown], ['chord', 3, 3]);
        assert.equal(running.edges.length, 1);
        open.open();
        assert.equal(await flow.get(PATIENCE), 4);
        const member = running.nodes.find(({ name }) => name === 'inc');
        const ended = await graphOf(member?.id ?? '');
        assert.deepEqual(states(ended), ['inc SUCCESS', 'slow SUCCESS', 'sum SUCCESS']);
      });

      it('counts the members of a large group, and unfolds a page of them', async (t) => {
        const { app, worker } = ground.app(t);
        const page = web(app);
        t.after(() => page.close());
        const odd = app.task('odd', { maxRetries: 0 }, (n: number) => {
          if (n === 7) throw new Error('seven');
          return n;
        });
        await worker();
        const many = group(...Array.from({ length: 120 }, (_, n) => odd.s(n)));
        const result = await many.delay();
        await rejection(result.get(PATIENCE));
        await until(async () => (await result.completedCount()) >= 119, 'all others');
        const path = `runs/${encodeURIComponent(result.id)}/graph`;
        const folded = await read<RunGraph>(page, path);
        assert.deepEqual([folded.total, folded.shown, folded.nodes.length], [120, 0, 1]);
        assert.deepEqual(
          [folded.nodes[0]?.count, folded.nodes[0]?.states],
          [120, { SUCCESS: 119, FAILURE: 1 }],
        );
        const open = await read<RunGraph>(page, `${path}?open=${encodeURIComponent(result.id)}&from=5`);
        assert.deepEqual([open.shown, open.nodes[3]?.state], [50, 'FAILURE']);
      });
    },
    ['redis', 'memory', 'postgres'],
  );
});
