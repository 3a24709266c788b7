/** The worker's side: an order is charged once, cools down, and ships when somebody approves it. */
import { Celeriac, Task, TaskService, WaitTimeoutError } from 'celeriac';

export const broker = process.env.CELERIAC_BROKER_URL ?? 'memory://';
export const app = new Celeriac('orders', { broker });

/** What somebody decides about an order. */
export interface Approval {
  by: string;
  approved: boolean;
}

export class OrderService extends TaskService {
  @Task('order', { maxRetries: 3, defaultRetryDelay: '1s' })
  async order(id: string): Promise<string> {
    const receipt = await this.step('charge', ({ key }) => this.#charge(id, key));
    await this.sleep('cool down', '2s');
    const approval = await this.#approval();
    if (!approval.approved) return this.step('refund', () => `${receipt}: refunded (${approval.by})`);
    return this.step('ship', () => `${receipt}: shipped, approved by ${approval.by}`);
  }

  async #approval(): Promise<Approval> {
    try {
      return await this.waitFor<Approval>('approval', { timeout: '3d' });
    } catch (error) {
      if (error instanceof WaitTimeoutError) return { by: 'nobody answered', approved: false };
      throw error;
    }
  }

  /** Stands for a payment provider, which takes the key so that a second call changes nothing. */
  async #charge(id: string, idempotencyKey: string): Promise<string> {
    this.log.info({ id, idempotencyKey }, 'charged');
    return `order ${id}`;
  }
}

export const orders = app.register(new OrderService());
