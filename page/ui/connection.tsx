/** What the connection is like: a mark that is always there, and a line over the page while something is lost. */
import { type Health, health } from '../core/connection.js';
import { settings } from '../core/settings.js';
import { useStore } from '../core/store.js';

const MARKS: Readonly<Record<Health, string>> = {
  starting: 'Connecting',
  well: 'Live',
  'no-server': 'No connection',
  'no-broker': 'No broker',
};

export function LiveMark() {
  const now = useStore(health);
  const { actions } = useStore(settings);
  return (
    <span class={`live l-${now}`}>
      <span class="dot" aria-hidden="true" />
      {MARKS[now]}
      {now === 'well' && !actions && ', read-only'}
    </span>
  );
}

export function Connection() {
  const now = useStore(health);
  return (
    <div class="lost-box" role="status" aria-live="assertive">
      {now === 'no-server' && (
        <p class="lost">
          <strong>Connection lost.</strong> You see what was last known. The page tries again by itself.
        </p>
      )}
      {now === 'no-broker' && (
        <p class="lost">
          <strong>The broker does not answer.</strong> You see what was last known. The page tries again by
          itself.
        </p>
      )}
    </div>
  );
}
