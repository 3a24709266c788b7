/** What `crontab`, `every` and `app.schedules` take and give, as TypeScript sees it. */
import { Celeriac, crontab, every, type ScheduleEntry, Task, TaskService } from 'celeriac';
import { type Equal, expect } from './expect.js';

const app = new Celeriac('types');
const add = app.task('add', { schedule: every('1h') }, (a: number, b: number) => a + b);

class Cleaning extends TaskService {
  @Task('cleanup', { schedule: crontab({ minute: '*/5', hour: [1, '2-4'] }) })
  async cleanup(): Promise<void> {}
  // @ts-expect-error a schedule is made by crontab() or every()
  @Task('wrong', { schedule: '*/5 * * * *' })
  async wrong(): Promise<void> {}
}
void Cleaning;

// @ts-expect-error days of the week are dayOfWeek
crontab({ weekday: 1 });
// @ts-expect-error the zone is called timezone
crontab('* * * * *', { tz: 'Europe/Rome' });

const schedule = crontab('0 9 * * 1-5', { timezone: 'Europe/Rome' });
await app.schedules.upsert({ name: 'a', schedule, task: add, args: [1, 2], options: { queue: 'slow' } });
await app.schedules.upsert({ name: 'a', schedule, task: 'elsewhere', args: ['anything', 1] });
// @ts-expect-error it adds numbers
await app.schedules.upsert({ name: 'a', schedule, task: add, args: ['1', 2] });
// @ts-expect-error every run has an id of its own
await app.schedules.upsert({ name: 'a', schedule, task: add, args: [1, 2], options: { taskId: 'x' } });

const entry = await app.schedules.get('a');
expect<Equal<typeof entry, ScheduleEntry | undefined>>();
expect<Equal<ScheduleEntry['nextRunAt'], Date | undefined>>();
const value = await (await app.schedules.runNow<number>('a')).get();
expect<Equal<typeof value, number>>();
