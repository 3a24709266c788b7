/** What the page has just done, in the corner, read out by screen readers. A refusal stays until it is closed. */
import { Store, useStore } from '../core/store.js';
import { visible } from '../core/text.js';

interface Notice {
  readonly key: number;
  readonly text: string;
  readonly bad: boolean;
  readonly href: string | undefined;
}

const notices = new Store<readonly Notice[]>([]);
const MOST = 3;
const SHOWN_MS = 12_000;
let last = 0;

export function notify(text: string, { bad = false, href }: { bad?: boolean; href?: string } = {}): void {
  const key = ++last;
  notices.set([...notices.value, { key, text, bad, href }].slice(-MOST));
  if (!bad) setTimeout(() => dismiss(key), SHOWN_MS);
}

function dismiss(key: number): void {
  notices.set(notices.value.filter((notice) => notice.key !== key));
}

export function Notices() {
  return (
    <div class="notices" role="status" aria-live="polite">
      {useStore(notices).map(({ key, text, bad, href }) => (
        <div key={key} class={bad ? 'notice bad' : 'notice'}>
          <p>
            {visible(text)} {href !== undefined && <a href={href}>Show</a>}
          </p>
          <button
            type="button"
            class="quiet small"
            onClick={() => dismiss(key)}
            aria-label="Close this notice"
          >
            ×
          </button>
        </div>
      ))}
    </div>
  );
}
