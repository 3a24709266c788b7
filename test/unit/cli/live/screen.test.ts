/** The live page of `celeriac events`: what it knows, and how it fits into a terminal. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import pc from 'picocolors';
import { eventLine } from '#src/cli/live/event-text.js';
import { PageView } from '#src/cli/live/page-view.js';
import { renderScreen } from '#src/cli/live/screen.js';
import { FleetState } from '#src/cli/live/state.js';
import { widthOf } from '#src/cli/text/width.js';
import type { EventMap, FleetEvent } from '#src/events/names.js';

const NOW = Date.UTC(2030, 0, 1, 12);
const colors = pc.createColors(false);

function heartbeat(node: string, active = 0): EventMap['worker-heartbeat'] {
  return {
    type: 'worker-heartbeat',
    timestamp: NOW,
    node,
    pid: 1,
    active,
    processed: 7,
    concurrency: 4,
    queues: ['celeriac'],
    loadavg: [0.5, 0, 0],
    freq: 2000,
    version: '1',
  };
}

function ofTask(id: string, name = 'report', node = 'one@here') {
  return { timestamp: NOW, id, name, queue: 'celeriac', node, pid: 1, retries: 0 };
}

function page(state: FleetState, columns = 80, rows = 24, now = NOW): string[] {
  return renderScreen({ app: 'reports', state, now, colors }, { columns, rows });
}

describe('the live page', () => {
  it('shows workers, running tasks, totals and what happened last', () => {
    const state = new FleetState(NOW);
    const events: FleetEvent[] = [
      heartbeat('one@here', 1),
      { type: 'task-started', ...ofTask('a') },
      { type: 'task-progress', ...ofTask('a'), state: 'PROGRESS', meta: { percent: 50 } },
      { type: 'task-started', ...ofTask('b') },
      { type: 'task-failed', ...ofTask('b'), runtime: 12, exception: 'RangeError: out of it' },
      { type: 'events-lost', timestamp: NOW, count: 3 },
    ];
    for (const event of events) state.take(event, NOW);
    const text = page(state, 80, 24, NOW + 1500).join('\n');
    assert.match(text, /^celeriac events · reports · 1 worker · 1 running +\d\d:\d\d:\d\d$/m);
    assert.match(text, /^0\.7\/s {2}sent 0 {2}ok 0 {2}failed 1 .* lost 3$/m);
    assert.match(text, /one@here +1\/4 +7 +0\.5 +celeriac/);
    assert.match(text, /report +1\.5s +one@here +PROGRESS \{"percent":5/);
    assert.match(text, /task-failed +report\[b\] after 12ms: RangeError: out of it/);
    assert.match(text, /events-lost +3 events are missing here/);
  });

  it('says of a worker whose heartbeats stay away, or that left, that it is gone', () => {
    const state = new FleetState(NOW);
    state.take(heartbeat('silent'), NOW);
    state.take(heartbeat('left', 1), NOW);
    state.take({ type: 'task-started', ...ofTask('a', 'report', 'left') }, NOW);
    state.take({ ...heartbeat('left'), type: 'worker-offline' }, NOW);
    state.take({ type: 'task-started', ...ofTask('b', 'report', 'silent') }, NOW);
    assert.deepEqual(
      state.running(NOW).map(({ node }) => node),
      ['silent'],
    );
    const gone = (now: number) =>
      state
        .workers(now)
        .filter((row) => row.gone)
        .map(({ node }) => node);
    assert.deepEqual(gone(NOW + 5000), ['left']);
    assert.deepEqual(gone(NOW + 8000), ['left', 'silent']);
    assert.deepEqual(state.running(NOW + 8000), []);
  });

  it('keeps the last failures in sight, whatever else happens', () => {
    const state = new FleetState(NOW);
    state.take({ type: 'task-failed', ...ofTask('a'), runtime: 1, exception: 'RangeError: out of it' }, NOW);
    for (let n = 0; n < 300; n++) {
      state.take({ type: 'task-progress', ...ofTask('c'), state: 'PROGRESS' }, NOW);
      state.take({ type: 'task-succeeded', ...ofTask('b'), runtime: 1 }, NOW);
    }
    const text = page(state).join('\n');
    assert.match(text, /^FAILED +TASK +ERROR\n\d\d:\d\d:\d\d +report +RangeError: out of it$/m);
    assert.doesNotMatch(text, /task-progress/);
    assert.doesNotMatch(page(new FleetState(NOW)).join('\n'), /FAILED/);
  });

  it('tells pods apart by the end of their names, and how many of those it cannot show are gone', () => {
    const state = new FleetState(NOW);
    const pods = ['b2x7k', 'k8s1q', 'm0z4d', 'q9w3e', 'xk2vj', 'zz5rt'];
    for (const pod of pods) state.take(heartbeat(`reports@reports-worker-7f9c6d5b8d-${pod}`), NOW);
    const last = heartbeat(`reports@reports-worker-7f9c6d5b8d-${pods.at(-1)}`);
    state.take({ ...last, type: 'worker-offline' }, NOW);
    const text = page(state).join('\n');
    assert.match(text, /^reports@\S+…\S+-b2x7k +0\/4/m);
    assert.match(text, /^… 3 more, 1 gone$/m);
  });

  it('asks after the broker when all are silent at once, not when they have left', () => {
    const state = new FleetState(NOW);
    for (const node of ['one', 'two']) state.take(heartbeat(node), NOW);
    assert.equal(page(state, 80, 24, NOW + 5000)[2], '');
    assert.equal(page(state, 80, 24, NOW + 12_000)[2], 'nothing heard for 12.0s: is the broker away?');
    for (const node of ['one', 'two']) state.take({ ...heartbeat(node), type: 'worker-offline' }, NOW);
    assert.equal(page(state, 80, 24, NOW + 12_000)[2], '');
  });

  it('forgets who has long been gone, and a task whose end it missed', () => {
    const state = new FleetState(NOW);
    state.take(heartbeat('old@here'), NOW);
    state.take({ type: 'task-started', ...ofTask('a') }, NOW);
    state.take(heartbeat('one@here', 0), NOW + 1000);
    assert.equal(state.running(NOW).length, 1, 'it may have begun after the heartbeat was made');
    state.take(heartbeat('one@here', 0), NOW + 600_000);
    assert.deepEqual(state.running(NOW), []);
    assert.deepEqual(
      state.workers(NOW + 600_000).map(({ node }) => node),
      ['one@here'],
    );
  });

  it('has room for its totals in 80 columns, whatever they are', () => {
    const state = new FleetState(NOW);
    for (const tally of ['sent', 'succeeded', 'failed', 'retried', 'revoked'] as const)
      state.tallies[tally] = 999_999;
    state.lost = 999_999;
    state.take(heartbeat('one@here', 1234), NOW);
    const [title, totals] = renderScreen(
      { app: 'a-name-of-an-app-that-is-quite-long-indeed', state, now: NOW, colors },
      { columns: 80, rows: 24 },
    );
    assert.match(title ?? '', / · 1 worker · 1234 running +\d\d:\d\d:\d\d$/);
    assert.match(totals ?? '', / {2}revoked 999k {2}lost 999k$/);
  });

  it('fits into every terminal, whatever names and texts hold', () => {
    const state = new FleetState(NOW);
    for (let n = 0; n < 60; n++) {
      state.take(heartbeat(`worker-${n}-${'x'.repeat(50)}@here`, n), NOW);
      state.take({ type: 'task-started', ...ofTask(`id-${n}`, `\u001b[2Jtask\n${n}`) }, NOW);
      const exception = `Error: ${'long '.repeat(100)}\u0007`;
      state.take({ type: 'task-failed', ...ofTask(`old-${n}`), runtime: 1, exception }, NOW);
    }
    for (const [columns, rows] of [
      [80, 24],
      [40, 10],
      [200, 60],
      [60, 15],
    ] as const) {
      const lines = page(state, columns, rows);
      assert.ok(lines.length < rows, `${lines.length} lines in ${rows}`);
      assert.deepEqual(
        lines.filter((line) => line.length > columns),
        [],
      );
      const steering = lines.filter((line) =>
        [...line].some((char) => char < ' ' || (char > '~' && char < '\u00a0')),
      );
      assert.deepEqual(steering, []);
    }
    assert.match(page(state).join('\n'), /… \d+ more/);
  });

  it('knows what began before it was opened, as far as workers say', () => {
    const state = new FleetState(NOW);
    state.take(heartbeat('one@here', 60), NOW);
    const shown = () => page(state).join('\n');
    assert.match(shown(), / · 60 running /);
    assert.match(shown(), /\n60 that began before this page was opened\n/);
    state.take({ type: 'task-succeeded', ...ofTask('over'), runtime: 1, result: '1' } as FleetEvent, NOW);
    const active = ['over', 'a', 'b'].map((id) => ({
      id,
      name: 'report',
      startedAt: new Date(NOW - 60_000).toISOString(),
    }));
    state.know({ node: 'one@here', active, stats: undefined }, NOW);
    const stats = { concurrency: 8, running: 0, processed: { report: 41 }, queues: [{ name: 'mail' }] };
    state.know({ node: 'two@here', active: [], stats }, NOW);
    state.knowsAll(true);
    assert.match(shown(), / · 2 workers · 2 running /);
    assert.match(shown(), /\nreport +1m 0s +one@here/);
    assert.match(shown(), /\ntwo@here +0\/8 +41 +0\.0 +mail\n/);
  });

  it('shows all of 30 workers to who goes through them, and one part alone to who enlarges it', () => {
    const state = new FleetState(NOW);
    const nodes = Array.from({ length: 30 }, (_, at) => `worker-${String(at + 1).padStart(2, '0')}@host`);
    for (const node of nodes) state.take(heartbeat(node), NOW);
    const view = new PageView();
    const lines = (columns = 80) =>
      renderScreen(
        { app: 'reports', state, now: NOW, colors, view, bottom: 'Tab part  q leave' },
        { columns, rows: 24 },
      );
    const seen = () => lines().flatMap((line) => /^worker-\d\d/.exec(line)?.[0] ?? []);
    const [first] = seen();
    assert.equal(first, 'worker-01');
    const all = new Set(seen());
    for (let at = 0; at < 40; at++) {
      view.press('\u001b[B');
      for (const node of seen()) all.add(node);
    }
    assert.equal(all.size, 30);
    assert.ok(lines().includes('… 27 above'), lines().join('\n'));
    view.press('\u001b[A');
    assert.ok(lines().includes('… 27 above'), 'the selected one is still in sight');
    for (let at = 0; at < 2; at++) view.press('k');
    assert.ok(lines().includes('… 26 above, 1 below'));
    view.press('z');
    assert.equal(seen().length, 17);
    view.press('\u001b[H');
    assert.deepEqual([seen()[0], lines().includes('… 13 more')], ['worker-01', true]);
    view.press('\t');
    assert.deepEqual(seen(), []);
    for (const line of [...lines(), ...lines(50)]) assert.ok(widthOf(line) <= 80);
    assert.equal(lines().length, 23);
    assert.match(lines().at(-1) ?? '', /^Tab part .*q leave$/);
    assert.equal(view.press('x'), false);
  });

  it('counts columns of the screen, not characters', () => {
    const state = new FleetState(NOW);
    state.take(heartbeat('日本語の作業者@東京', 1), NOW);
    state.take(
      {
        type: 'task-started',
        ...ofTask('a', '郵便番号を探す👩‍👩‍👧cafe\u0301'.repeat(3), '日本語の作業者@東京'),
      },
      NOW,
    );
    state.take(
      { type: 'task-failed', ...ofTask('b', '失敗'), runtime: 1, exception: '誤り'.repeat(60) },
      NOW,
    );
    const drawn = page(state);
    assert.ok(drawn.every((line) => widthOf(line) <= 80));
    const at = (line: string | undefined, text: string) => widthOf((line ?? '').split(text)[0] ?? '');
    const worker = drawn.find((line) => line.includes('1/4'));
    assert.equal(
      at(worker, '1/4'),
      at(
        drawn.find((line) => line.startsWith('WORKER')),
        'RUNNING',
      ),
    );
  });

  it('keeps a bounded memory of the fleet', () => {
    const state = new FleetState(NOW);
    for (let n = 0; n < 20_000; n++) state.take({ type: 'task-started', ...ofTask(`${n}`) }, NOW + n);
    assert.equal(state.running(NOW).length, 5000);
    assert.equal(state.recent().length, 200);
  });
});

describe('an event as a line', () => {
  it('says what happened to whom, and steers no terminal', () => {
    const line = eventLine({
      type: 'task-retried',
      ...ofTask('a\u001b[31m'),
      runtime: 5,
      exception: 'E: x\ny',
      countdown: 2000,
    });
    assert.match(line, /^\d\d:\d\d:\d\d\.\d{3} {2}task-retried {6}report\[a·\[31m\] again in 2\.0s: E: x·y$/);
  });
});
