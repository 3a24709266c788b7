import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Handles } from 'celeriac';
import { Celeriac, OptionError, Task, TaskService } from 'celeriac';
import { CeleriacModule, InjectTasks } from 'celeriac/nestjs';

class Own extends TaskService {
  // Its methods are decorated after this property.
  @InjectTasks(Own) private readonly tasks!: Handles<Own>;

  @Task('own.job')
  async job(): Promise<string> {
    return this.tasks.job.name;
  }
}

describe('@InjectTasks', () => {
  it('takes the class it stands in', () => {
    const app = new Celeriac('nest', { broker: 'redis://127.0.0.1:1/0' });
    const handles = providers()[0]?.useFactory(app) as Handles<Own>;
    assert.equal(handles.job.name, 'own.job');
  });

  it('refuses a class without tasks when the application starts, and what is no class at once', () => {
    class Nothing {}
    class Uses {
      @InjectTasks(Nothing) readonly tasks!: object;
    }
    const app = new Celeriac('nest', { broker: 'redis://127.0.0.1:1/0' });
    assert.throws(() => providers().at(-1)?.useFactory(app), /Nothing has no method with @Task/);
    assert.equal(new Uses().tasks, undefined);
    assert.throws(() => InjectTasks(undefined as never), OptionError);
  });
});

/** Those of the handles alone. */
function providers(): { useFactory: (app: Celeriac) => unknown }[] {
  const all = CeleriacModule.forRoot({}).providers as { provide: unknown; useFactory?: unknown }[];
  const isOfHandles = (token: unknown) => typeof token === 'symbol' && String(token).includes('tasks of');
  return all.filter(({ provide }) => isOfHandles(provide)) as never;
}
