import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { SeriesPoint } from '#src/web/api.js';
import { thinned } from '#src/web/views/overview.js';
import { ChartHistory } from '#src/web/watch/history.js';

const point = (n: number) =>
  ({
    at: new Date(n * 5_000).toISOString(),
    sent: n,
    runtimeP50: n,
    waitP95: null,
  }) as unknown as SeriesPoint;

describe('The history of charts', () => {
  it('is read again by the next process, a day of it, whatever a dead one left in its last line', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'celeriac-history-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const open = () =>
      new ChartHistory(pathToFileURL(`${folder}/deep/`), (error) => assert.fail(String(error)), 4);
    const first = open();
    assert.deepEqual(await first.read(), []);
    for (let n = 0; n < 6; n++) first.add([point(n)]);
    await first.close();
    const file = join(folder, 'deep', 'points.jsonl');
    writeFileSync(file, `${readFileSync(file, 'utf8')}{"at":"2026-`);
    const second = open();
    const read = await second.read();
    assert.deepEqual(
      read.map(({ sent }) => sent),
      [2, 3, 4, 5],
    );
  });

  it('is reported once when it cannot be kept', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'celeriac-history-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'file');
    writeFileSync(file, '');
    const errors: unknown[] = [];
    const history = new ChartHistory(pathToFileURL(`${file}/`), (error) => errors.push(error));
    assert.deepEqual(await history.read(), []);
    history.add([point(1)]);
    history.add([point(2)]);
    await history.close();
    assert.equal(errors.length, 1);
  });

  it('is thinned to what a chart can show', () => {
    const points = Array.from({ length: 10 }, (_, n) => point(n));
    assert.equal(thinned(points, 10), points);
    const thin = thinned(points, 4);
    assert.deepEqual(
      thin.map(({ sent, runtimeP50, waitP95 }) => [sent, runtimeP50, waitP95]),
      [
        [2, 3, null],
        [5, 6, null],
        [8, 9, null],
      ],
    );
  });
});
