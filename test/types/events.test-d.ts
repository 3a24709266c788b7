/** Events of one's own: once declared, their fields are known wherever they are sent and heard. */
import { Celeriac, type EventMap, Task, TaskService } from 'celeriac';
import { type Equal, expect } from './expect.js';

declare module 'celeriac' {
  interface OwnEvents {
    'order-packed': { orderId: string; weight?: number };
    'shop-opened': { at?: string };
  }
}

class Shop extends TaskService {
  @Task('pack')
  async pack(orderId: string): Promise<void> {
    const sent = this.sendEvent('order-packed', { orderId });
    expect<Equal<typeof sent, Promise<void>>>();
    await this.sendEvent('shop-opened');
    await this.sendEvent('not-declared', { any: [1] });
    await this.sendEvent('not-declared');
    // @ts-expect-error its fields are missing
    void this.sendEvent('order-packed');
    // @ts-expect-error a field of another type
    void this.sendEvent('order-packed', { orderId: 7 });
    // @ts-expect-error no such field
    void this.sendEvent('order-packed', { orderId, wieght: 7 });
    // @ts-expect-error fields are an object
    void this.sendEvent('not-declared', 7);
  }
}

const app = new Celeriac('types');
app.register(new Shop());
app.task('function', async function () {
  await this.sendEvent('order-packed', { orderId: '7', weight: 3 });
});
app.on('order-packed', ({ orderId, node, id }) => {
  expect<Equal<[typeof orderId, typeof node, typeof id], [string, string, string]>>();
});

export async function use(): Promise<void> {
  for await (const event of app.events()) {
    if (event.type === 'order-packed') expect<Equal<typeof event.orderId, string>>();
    if (event.type === 'task-succeeded') expect<Equal<typeof event.runtime, number>>();
  }
}

expect<Equal<EventMap['order-packed']['weight'], number | undefined>>();

const off = app.onCommand('reload', async (args: { prices: boolean }, { node }) => `${args.prices} ${node}`);
expect<Equal<typeof off, () => void>>();
app.onCommand('raw', (args) => {
  expect<Equal<typeof args, unknown>>();
  return undefined;
});
