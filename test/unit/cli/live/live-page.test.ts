/** The keys of the live page: what is selected, and what they do with it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import pc from 'picocolors';
import { LIVE_ACTIONS, type LiveApp } from '#src/cli/live/actions.js';
import { keysOf, LivePage } from '#src/cli/live/live-page.js';
import { PageView } from '#src/cli/live/page-view.js';
import { renderScreen } from '#src/cli/live/screen.js';
import { FleetState } from '#src/cli/live/state.js';
import { widthOf } from '#src/cli/text/width.js';
import type { FleetEvent } from '#src/events/names.js';

const NOW = Date.UTC(2030, 0, 1, 12);
const DOWN = '\u001b[B';

/** A fleet of so many workers, two running tasks and one failure, with a page over it. */
function open(workers: number) {
  const state = new FleetState(NOW);
  for (let n = 1; n <= workers; n++) state.take(beat(`worker-${String(n).padStart(3, '0')}@host`), NOW);
  for (const id of ['first', 'second']) state.take(task('task-started', id), NOW);
  state.take(task('task-failed', 'broken'), NOW);
  const asked: unknown[][] = [];
  let drawn: () => void = () => undefined;
  const page = new LivePage({
    app: fakeApp(asked),
    appName: 'reports',
    title: 'celeriac top',
    state,
    colors: { ...pc.createColors(false), inverse: (text) => `<${text.trimEnd()}>` },
    now: () => NOW,
    redraw: () => drawn(),
  });
  const lines = (columns = 80, rows = 24) => page.lines({ columns, rows });
  const press = (...keys: string[]) => {
    for (const key of keys) {
      page.press(key);
      lines();
    }
  };
  lines();
  return {
    state,
    page,
    asked,
    lines,
    press,
    selected: () => lines().find((line) => line.startsWith('<')) ?? '',
    /** Presses, and waits for the answer of the app. */
    redrawnAfter: async (...keys: string[]) => {
      const redrawn = new Promise<void>((resolve) => {
        drawn = resolve;
      });
      press(...keys);
      await redrawn;
      return lines().at(-1) ?? '';
    },
  };
}

function fakeApp(asked: unknown[][]): LiveApp {
  const reply =
    (name: string) =>
    async (...args: unknown[]) => {
      asked.push([name, ...args]);
      return { 'worker-002@host': { ok: 'pool will grow' } };
    };
  const control = Object.fromEntries(
    ['revoke', 'poolGrow', 'poolShrink', 'addConsumer', 'cancelConsumer', 'shutdown'].map((name) => [
      name,
      reply(name),
    ]),
  );
  const rateLimit = async (...args: unknown[]) => {
    asked.push(['rateLimit', ...args]);
    return { 'worker-001@host': { error: 'no task "report" here' } };
  };
  const retry = async (...args: unknown[]) => {
    asked.push(['retry', ...args]);
    return { done: ['broken'], refused: {} };
  };
  const snapshot = async () => {
    const error = Object.assign(new RangeError('out of it'), {
      remoteStack: 'RangeError: out of it\n    at work',
    });
    return {
      id: 'broken',
      name: 'report',
      state: 'FAILURE',
      known: true,
      error,
      args: [7],
      retries: 0,
      steps: [],
    };
  };
  const inspect = () => ({
    stats: async () => ({ 'worker-001@host': { pid: 17, uptimeMs: 61_000 } }),
    activeQueues: async () => ({ 'worker-001@host': [{ name: 'mail', concurrency: 4 }] }),
    active: async () => ({ 'worker-001@host': [] }),
  });
  return {
    control: { ...control, rateLimit },
    failed: { retry },
    result: () => ({ snapshot }),
    inspect,
  } as unknown as LiveApp;
}

function beat(node: string): FleetEvent {
  const facts = {
    timestamp: NOW,
    node,
    pid: 1,
    active: 2,
    processed: 7,
    concurrency: 4,
    queues: ['celeriac'],
  };
  return { type: 'worker-heartbeat', ...facts, loadavg: [0.5], freq: 2000, version: '1' };
}

function task(type: string, id: string): FleetEvent {
  const fields = {
    timestamp: NOW,
    id,
    name: 'report',
    queue: 'q',
    node: 'worker-001@host',
    pid: 1,
    retries: 0,
  };
  return { type, ...fields, runtime: 5, exception: 'RangeError: out of it' } as FleetEvent;
}

describe('The live page', () => {
  it('looks right with 300 workers in a terminal of 80 by 24, wherever the selection is', () => {
    const { lines, press, selected } = open(300);
    for (const [keys, node] of [
      [[], 'worker-001@host'],
      [[DOWN, DOWN], 'worker-003@host'],
      [['\u001b[F'], 'worker-300@host'],
      [['k'], 'worker-299@host'],
      [['z'], 'worker-299@host'],
      [['\u001b[5~'], 'worker-282@host'],
      [['\u001b[H'], 'worker-001@host'],
    ] as const) {
      press(...keys);
      assert.match(selected(), new RegExp(`^<${node} +2/4 +7 +0\\.5 +celeriac>$`));
      assert.equal(lines().length, 23);
      assert.ok(lines().every((line) => widthOf(line) <= 82));
      assert.match(lines()[0] ?? '', /^celeriac top · reports · 300 workers · /);
      assert.match(lines().at(-1) ?? '', /^Tab part {2}Enter info {2}\+ grow .* z zoom {2}q leave$/);
    }
  });

  it('has help that fits 80 columns for every part', () => {
    const { lines, press } = open(3);
    for (let part = 0; part < 4; part++) {
      assert.match(lines().at(-1) ?? '', /q leave$/);
      press('\t');
    }
    const keys = LIVE_ACTIONS.map(({ key, on }) => `${on} ${key}`);
    assert.equal(new Set(keys).size, keys.length, 'one action a key');
  });

  it('goes past the part of failures while there is none, and knows those from before', () => {
    const state = new FleetState(NOW);
    const view = new PageView();
    const draw = () => {
      const facts = { app: 'reports', state, now: NOW, colors: pc.createColors(false), view };
      return renderScreen(facts, { columns: 80, rows: 24 }).join('\n');
    };
    const focuses = () =>
      [1, 2, 3, 4].map(() => {
        draw();
        view.press('\t');
        return view.focus;
      });
    assert.deepEqual(focuses(), ['running', 'events', 'workers', 'running']);
    state.take(task('task-failed', 'known'), NOW);
    const old = { name: 'mail', exception: 'Error: no address', at: NOW - 60_000 };
    state.knowFailed([
      { ...old, id: 'known' },
      { ...old, id: 'old' },
    ]);
    assert.match(draw(), /FAILED +TASK +ERROR\n.* report +RangeError.*\n.* mail +Error: no address\n\n/);
    assert.deepEqual(focuses(), ['failed', 'events', 'workers', 'running']);
  });

  it('keeps what is selected while rows come and go', () => {
    const { state, press, selected } = open(3);
    press(DOWN);
    assert.match(selected(), /worker-002/);
    state.take(beat('a-new-one@host'), NOW);
    assert.match(selected(), /worker-002/);
    press('\t', DOWN);
    assert.match(selected(), /^<report/);
    state.take(task('task-succeeded', 'second'), NOW);
    assert.match(selected(), /^<report/, 'the next one has its place');
  });

  it('acts on the selected worker', async () => {
    const { asked, press, redrawnAfter } = open(300);
    press(DOWN);
    assert.equal(await redrawnAfter('+'), 'worker-002@host: pool will grow');
    await redrawnAfter('-');
    await redrawnAfter('a', ...'mail\r');
    await redrawnAfter('s', 'y');
    const to = { destination: ['worker-002@host'] };
    assert.deepEqual(asked, [
      ['poolGrow', 1, to],
      ['poolShrink', 1, to],
      ['addConsumer', 'mail', to],
      ['shutdown', to],
    ]);
  });

  it('acts on the selected task, and asks before it ends one', async () => {
    const { asked, lines, press, redrawnAfter } = open(3);
    press('\t', DOWN, 't');
    assert.equal(lines().at(-1), 'Terminate report second? [y/N]');
    press('n');
    assert.equal(lines().at(-1), 'nothing was done');
    assert.deepEqual(asked, []);
    assert.match(await redrawnAfter('t', 'y'), /^second: revoked and terminated$/);
    await redrawnAfter('c', 'y');
    press('l', ...'10/m', '\u007f', 's');
    assert.equal(lines().at(-1), 'Rate limit of report (10/s, 100/m, none): 10/s█');
    assert.equal(await redrawnAfter('\r'), 'worker-001@host: no task "report" here');
    press('\t');
    assert.equal(await redrawnAfter('r', 'y'), 'broken: runs again');
    assert.deepEqual(asked, [
      ['revoke', 'second', { terminate: true }],
      ['revoke', 'second'],
      ['rateLimit', 'report', '10/s'],
      ['retry', ['broken']],
    ]);
  });

  it('shows the details of a task or a worker, and goes back', async () => {
    const { page, lines, press, redrawnAfter } = open(3);
    await redrawnAfter('\r');
    assert.match(
      lines().join('\n'),
      /^worker-001@host\n\n[\s\S]*pid +17\n[\s\S]*uptime +1m 1s\n[\s\S]*mail +4/,
    );
    press('q', '\t', '\t');
    await redrawnAfter('\r');
    assert.match(lines().join('\n'), /^report broken\n\nid +broken\n[\s\S]*args +7\n[\s\S]*\n {4}at work\n/);
    assert.match(lines().at(-1) ?? '', /^Esc back .* r retry/);
    assert.equal(lines().length, 23);
    press('\u001b');
    assert.match(lines()[0] ?? '', /^celeriac top/);
    assert.equal(page.press('?'), 'ignored');
    assert.equal(page.press('q'), 'leave');
  });

  it('takes keys that arrive together one by one', () => {
    assert.deepEqual(keysOf('jj\u001b[B\u001bOA\u001b[5~\rü'), [
      'j',
      'j',
      '\u001b[B',
      '\u001bOA',
      '\u001b[5~',
      '\r',
      'ü',
    ]);
    assert.deepEqual(keysOf('\u001b'), ['\u001b']);
  });
});
