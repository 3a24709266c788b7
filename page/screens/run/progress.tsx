/** What the run has last said of itself: a bar where it says how far it is, the rest as JSON. */
import type { RunDetail } from '../../../src/web/api.js';
import { isEnded } from '../../core/states.js';
import { number } from '../../core/text.js';
import { Section, State } from '../../ui/bits.js';
import { Json } from '../../ui/json.js';

export function Progress({ run: { state, meta } }: { run: RunDetail }) {
  if (isEnded(state) || meta === null || meta === undefined) return null;
  const share = shareOf(meta);
  return (
    <Section title={state === 'WAITING' ? 'What it waits for' : 'What it does now'} id="progress">
      {share !== undefined && (
        <p class="progress">
          <progress value={share.done} max={share.of} aria-label="Progress" />
          <span>
            {number(share.done)} of {number(share.of)}
          </span>
          <State state={state} />
        </p>
      )}
      <Json value={meta} label="Progress" />
    </Section>
  );
}

const DONE = ['current', 'done', 'completed', 'processed', 'progress'];
const OF = ['total', 'of', 'max', 'count'];

/** `{ current, total }` as in Celery's documentation, and its common forms; `{ percent }`. */
function shareOf(meta: unknown): { done: number; of: number } | undefined {
  if (typeof meta !== 'object' || meta === null) return undefined;
  const values = meta as Record<string, unknown>;
  const find = (names: readonly string[]) =>
    names.map((name) => values[name]).find((value) => typeof value === 'number' && value >= 0);
  const done = find(DONE);
  const of = find(OF);
  if (typeof done === 'number' && typeof of === 'number' && of > 0) return { done, of };
  const percent = values.percent ?? values.percentage;
  return typeof percent === 'number' && percent >= 0 ? { done: percent, of: 100 } : undefined;
}
