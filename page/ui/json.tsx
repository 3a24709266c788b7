/** A payload as text: indented JSON, cut where it is long, never anything but text. */
import { useMemo, useState } from 'preact/hooks';
import { bytes, pretty, visible } from '../core/text.js';
import { Scroll } from './scroll.js';

const AT_ONCE = 20_000;

export function Json({ value, label }: { value: unknown; label: string }) {
  const text = useMemo(() => pretty(value), [value]);
  return <Long text={text} label={label} />;
}

/** A long text in a box that scrolls; all of it on demand. */
export function Long({ text, label }: { text: string; label: string }) {
  const [all, setAll] = useState(false);
  const cut = !all && text.length > AT_ONCE;
  const shown = useMemo(() => visible(cut ? text.slice(0, AT_ONCE) : text), [text, cut]);
  return (
    <div class="payload">
      <Scroll look="payload-box" label={`${label}, in full`}>
        <pre>
          <code>{shown}</code>
        </pre>
      </Scroll>
      <div class="payload-foot">
        {cut && (
          <button type="button" class="quiet small" onClick={() => setAll(true)}>
            Show all {bytes(text.length)}
          </button>
        )}
        <Copy text={text} what={label} />
      </div>
    </div>
  );
}

export function Copy({ text, what }: { text: string; what: string }) {
  const [done, setDone] = useState(false);
  if (navigator.clipboard === undefined) return null;
  const copy = () => {
    navigator.clipboard.writeText(text).then(
      () => {
        setDone(true);
        setTimeout(() => setDone(false), 1500);
      },
      () => undefined,
    );
  };
  return (
    <button type="button" class="quiet small copy" onClick={copy} aria-label={`Copy: ${what}`}>
      {done ? 'Copied' : 'Copy'}
    </button>
  );
}
