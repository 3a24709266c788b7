/** What is tested: a service that calls a gate to the outside world, and a function that sends its tasks. */
import { Celeriac, Task, TaskService } from 'celeriac';

/** The outside world. */
export interface Mailer {
  send(to: string, text: string): Promise<void>;
}

export class ReminderService extends TaskService {
  constructor(private readonly mailer: Mailer) {
    super();
  }

  @Task('reminders.remind', { autoretryFor: true, maxRetries: 3, defaultRetryDelay: '10m' })
  async remind(who: string, what: string): Promise<string> {
    await this.mailer.send(who, `Do not forget: ${what}`);
    return `${who} was reminded`;
  }
}

/** The application: an app on the broker of production, and what it does. */
export function createReminders(mailer: Mailer) {
  const app = new Celeriac('reminders', { broker: 'redis://redis.production:6379/0' });
  const tasks = app.register(new ReminderService(mailer));
  const remindTomorrow = (who: string, what: string) =>
    tasks.remind.applyAsync([who, what], { countdown: '1d', expires: '2d' });
  return { app, tasks, remindTomorrow };
}
