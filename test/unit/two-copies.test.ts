/** Two copies of the package in one process: a program's own, and one below a library that it uses. */
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import * as mine from 'celeriac';
import * as kits from 'celeriac/testing';

const dist = dirname(fileURLToPath(import.meta.resolve('celeriac')));
const home = mkdtempSync(join(dirname(dist), 'build', 'copy-'));
cpSync(dist, join(home, 'dist'), { recursive: true });
const theirs = (await import(pathToFileURL(join(home, 'dist', 'index.js')).href)) as typeof mine;
after(() => rmSync(home, { recursive: true, force: true }));

describe('Two copies of the package', () => {
  const app = new mine.Celeriac('copies', { broker: 'redis://127.0.0.1:1/0' });

  class Library extends theirs.TaskService {
    @theirs.Task('library.job')
    async job(fails: boolean): Promise<string> {
      await this.updateState('HALFWAY');
      if (fails) throw new theirs.Ignore();
      if (this.request.retries === 0) this.retry({ countdown: 0 });
      return `${theirs.currentTask()?.request.id === this.request.id} ${this.request.calledDirectly}`;
    }
  }

  it('are two', () => assert.notEqual(theirs.Celeriac, mine.Celeriac));

  it('share the running call', async () => {
    const { job } = app.register(new Library());
    const result = await job.apply([false]);
    assert.equal(await result.get(), 'true false');
    assert.equal((await result.snapshot()).retries, 1);
    const states: string[] = [];
    for await (const { state } of result.updates()) states.push(state);
    assert.deepEqual(states, ['HALFWAY', 'HALFWAY', 'SUCCESS']);
  });

  it('know each other’s errors', async () => {
    const { job } = app.tasks(Library);
    assert.equal(await (await job.apply([true])).get(), undefined);
    assert.equal(mine.isCeleriacError(new theirs.OptionError('x'), 'OPTION'), true);
  });

  it('refuse each other’s signatures and apps by name', () => {
    const add = app.task('add', async (a: number) => a);
    const other = new theirs.Celeriac('others', { broker: 'memory://' });
    assert.throws(() => theirs.chain(add.s(1) as never), /part 1 was made by another copy of celeriac/);
    assert.throws(() => kits.testing(other as never), /a Celeriac of this copy of the package/);
  });
});
