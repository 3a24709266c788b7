/**
 * Replacements and added group members for tasks that run in their caller's process: a replacement runs at once,
 * added members run after the others.
 */

import type { Composable } from '../../canvas/typing.js';
import type { InlineLauncher } from '../../canvas/workflow/inline.js';
import type { Delivery } from '../../queue/delivery.js';
import type { WireCodec } from '../../tasks/wire-codec.js';
import type { Outcome } from '../run/outcome.js';
import { noMember, type Spawns } from './spawn.js';

export class InlineSpawner implements Spawns {
  constructor(
    private readonly here: InlineLauncher,
    private readonly codec: WireCodec,
  ) {}

  async replace({ name }: Delivery, signature: Composable): Promise<Outcome> {
    const { value, failed, ignored } = await this.here.run(signature, []);
    if (ignored === 'itself') return { kind: 'ignore' };
    if (failed !== undefined) return { kind: 'failure', error: failed.cause };
    return { kind: 'success', value, encoded: this.codec.encodeResult(value, name) };
  }

  async addMember(delivery: Delivery, _ordinal: number, signature: Composable): Promise<void> {
    if (!this.here.addTo(delivery.message.flow?.group, signature)) throw noMember(delivery);
  }
}
