/** Steps, sleeps and waits in tasks, what is sent to them, and what a snapshot shows of them. */
import {
  type AsyncResult,
  Celeriac,
  type SendReply,
  type Snapshot,
  type StepTools,
  type StepView,
  Task,
  TaskService,
  type WaitOptions,
} from 'celeriac';
import { z } from 'zod';
import { type Equal, expect } from './expect.js';

interface Approval {
  by: string;
}

const Answer = z.object({ at: z.coerce.date() });

class Shop extends TaskService {
  @Task('order')
  async order(id: string): Promise<string> {
    const charge = this.step('charge', async () => ({ id, amount: 3 }));
    expect<Equal<typeof charge, Promise<{ id: string; amount: number }>>>();
    const plain = this.step('plain', () => 'text' as const);
    expect<Equal<typeof plain, Promise<'text'>>>();
    const tools = this.step('tools', (given) => {
      expect<Equal<typeof given, StepTools>>();
      return [given.key, given.signal.aborted] as const;
    });
    expect<Equal<typeof tools, Promise<readonly [string, boolean]>>>();
    const nap = this.sleep('nap', '2h');
    expect<Equal<typeof nap, Promise<void>>>();
    await this.sleep('until', new Date());
    const unknown = this.waitFor('unknown', { timeout: '3d' });
    expect<Equal<typeof unknown, Promise<unknown>>>();
    const approval = this.waitFor<Approval>('approval');
    expect<Equal<typeof approval, Promise<Approval>>>();
    const checked = this.waitFor('checked', { schema: Answer });
    expect<Equal<typeof checked, Promise<{ at: Date }>>>();
    // @ts-expect-error a step needs a function
    void this.step('none');
    // @ts-expect-error a sleep needs to know how long
    void this.sleep('none');
    // @ts-expect-error no such option
    void this.waitFor('none', { timeOut: 1 });
    // @ts-expect-error the schema gives something else
    void this.waitFor<Approval>('none', { schema: Answer });
    return (await approval).by;
  }
}

const app = new Celeriac('types');
const { order } = app.register(new Shop());
const signed = order.s('7').delay();
expect<Equal<typeof signed, Promise<AsyncResult<string, unknown>>>>();

app.task('function', async function (n: number) {
  const value = this.step('n', () => n);
  expect<Equal<typeof value, Promise<number>>>();
  return this.step('other', () => n);
});

export async function use(result: AsyncResult<string>): Promise<void> {
  const reply = result.send('approval', { by: 'ada' });
  expect<Equal<typeof reply, Promise<SendReply>>>();
  expect<Equal<SendReply['accepted'], boolean>>();
  const { steps } = await result.snapshot();
  expect<Equal<typeof steps, readonly StepView[]>>();
  expect<Equal<StepView['kind'], 'step' | 'sleep' | 'wait'>>();
  expect<Equal<[StepView['startedAt'], StepView['doneAt']], [Date, Date | undefined]>>();
  expect<Equal<Snapshot['steps'], readonly StepView[]>>();
  // @ts-expect-error a value needs the name of its wait
  void result.send();
}

export const options: WaitOptions<Approval> = { timeout: 5 };
