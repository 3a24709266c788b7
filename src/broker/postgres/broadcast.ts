/**
 * The Broadcast port on NOTIFY: one channel per app, on the connection that also listens for notices.
 */
import type { Broadcast } from '../broker.js';
import type { PgNotices } from './wire.js';

export class PgBroadcast implements Broadcast {
  constructor(
    private readonly notices: () => Promise<PgNotices>,
    private readonly known: PgNotices,
    private readonly channel: string,
  ) {}

  async publish(texts: readonly string[]): Promise<void> {
    const notices = await this.notices();
    await notices.send(texts.map((payload) => ({ channel: this.channel, payload })));
  }

  async subscribe(listener: (text: string) => void): Promise<void> {
    await (await this.notices()).listen(this.channel, listener);
  }

  unsubscribe(listener: (text: string) => void): void {
    this.known.unlisten(this.channel, listener);
  }
}
