/** What a worker says when it is told to stop. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createLogger } from '#src/cli/worker/log.js';
import { type Endable, Ending, warmText } from '#src/cli/worker/signals.js';

describe('a warm shutdown', () => {
  it('says how many tasks it waits for, for how long, and how to wait no longer', () => {
    assert.equal(warmText('SIGTERM', 0, 30_000), 'warm shutdown, no task is running');
    assert.equal(
      warmText('SIGINT', 1, 30_000),
      'warm shutdown, 1 task is running and has 30s to finish; Ctrl-C once more hands it back at once',
    );
    assert.equal(
      warmText('SIGTERM', 3, 90_000),
      'warm shutdown, 3 tasks are running and have 90s to finish; SIGINT hands them back at once',
    );
  });
});

describe('A cold shutdown', () => {
  it('hands back at once at SIGQUIT, also after a warm one has begun, and exits with 1 as in Celery', async () => {
    for (const before of [[], ['SIGTERM']] as const) {
      const worker = new FakeWorker();
      const lines: string[] = [];
      const ending = endingOf(worker, lines);
      for (const signal of [...before, 'SIGQUIT'] as const) process.emit(signal);
      assert.equal(await ending.reached, 1);
      ending.release();
      assert.equal(worker.calls.at(-1), 'stopNow');
      assert.ok(ending.hurried);
      assert.equal(ending.by, 'SIGQUIT');
      assert.match(lines.join(''), /SIGQUIT: handing back what runs, stopping now/);
    }
  });

  it('is also what a second SIGINT does, with exit code 0', async () => {
    const worker = new FakeWorker();
    const ending = endingOf(worker, []);
    process.emit('SIGINT');
    process.emit('SIGINT');
    assert.equal(await ending.reached, 0);
    ending.release();
    assert.deepEqual(worker.calls, ['stop', 'stopNow']);
  });
});

/** Its tasks never end by themselves. */
class FakeWorker implements Endable {
  readonly calls: string[] = [];
  #end: () => void = () => undefined;
  readonly stopped = new Promise<void>((resolve) => {
    this.#end = resolve;
  });

  async countRunning(): Promise<number> {
    return 1;
  }

  stop(): Promise<void> {
    this.calls.push('stop');
    return this.stopped;
  }

  async stopNow(): Promise<void> {
    this.calls.push('stopNow');
    this.#end();
  }
}

function endingOf(worker: Endable, lines: string[]): Ending {
  const log = createLogger({
    level: 'info',
    format: 'text',
    color: false,
    write: (line) => void lines.push(line),
  });
  return new Ending(worker, { log, shutdownTimeoutMs: 30_000, report: () => undefined });
}
