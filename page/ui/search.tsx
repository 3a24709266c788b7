/** Fields that filter a screen. What is typed goes into the address a moment later, so that Back and Reload keep it. */
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { setQuery, useRoute } from '../core/router.js';

const PAUSE_MS = 250;

export interface FilterFieldProps {
  /** Its name in the address. */
  readonly name: string;
  readonly label: string;
  readonly type?: 'search' | 'datetime-local';
  readonly placeholder?: string;
  /** What `/` goes to. */
  readonly first?: boolean;
  /** Names that are offered. */
  readonly offers?: readonly string[];
  /** Forgotten when this changes, such as the page that was reached. */
  readonly resets?: readonly string[];
}

export function FilterField({
  name,
  label,
  type = 'search',
  placeholder,
  first,
  offers,
  resets = [],
}: FilterFieldProps) {
  const id = useId();
  const stored = useRoute().query.get(name) ?? '';
  const [text, setText] = useState(stored);
  const timer = useRef<number | undefined>(undefined);
  useEffect(() => setText(stored), [stored]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const change = (value: string) => {
    setText(value);
    clearTimeout(timer.current);
    const changes = Object.fromEntries([[name, value], ...resets.map((each) => [each, null])]);
    timer.current = setTimeout(() => setQuery(changes), PAUSE_MS);
  };
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        type={type}
        value={text}
        placeholder={placeholder}
        step={type === 'datetime-local' ? 1 : undefined}
        data-search={first}
        list={offers === undefined ? undefined : `${id}-offers`}
        autocomplete="off"
        spellcheck={false}
        onInput={(event) => change(event.currentTarget.value)}
      />
      {offers !== undefined && (
        <datalist id={`${id}-offers`}>
          {offers.slice(0, 500).map((offer) => (
            <option key={offer} value={offer} />
          ))}
        </datalist>
      )}
    </div>
  );
}

/** What is typed into the screen's own search field, in lower case. */
export function useSearch(): string {
  return (useRoute().query.get('find') ?? '').toLowerCase();
}
