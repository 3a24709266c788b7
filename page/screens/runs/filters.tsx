/** The fields over the list of runs. All of them are in the address. */
import { setQuery, useRoute } from '../../core/router.js';
import { isOwn, STATES } from '../../core/states.js';
import { State } from '../../ui/bits.js';
import { FilterField } from '../../ui/search.js';
import { FIELDS } from './filter.js';

const RESETS = ['cursor'];
const MORE = ['queue', 'tag', 'worker', 'id', 'after', 'before'] as const;

export function Filters() {
  const { query } = useRoute();
  const states = query.getAll('state');
  const own = states.filter(isOwn);
  const set = FIELDS.some((name) => query.has(name));
  const toggle = (state: string) => {
    const next = states.includes(state) ? states.filter((each) => each !== state) : [...states, state];
    setQuery({ state: next, cursor: null });
  };
  return (
    <search class="filters">
      <FilterField name="text" label="Text in arguments" first placeholder="any part" resets={RESETS} />
      <FilterField name="name" label="Task" placeholder="name, or report*" resets={RESETS} />
      <div class="field">
        <label for="sort">Order</label>
        <select
          id="sort"
          value={query.get('sort') ?? 'newest'}
          onChange={(event) => setQuery({ sort: event.currentTarget.value, cursor: null })}
        >
          <option value="newest">Latest change first</option>
          <option value="oldest">Earliest change first</option>
        </select>
      </div>
      <fieldset class="states">
        <legend>States</legend>
        {[...STATES, ...own].map((state) => (
          <label key={state} class={states.includes(state) ? 'chip on' : 'chip'}>
            <input type="checkbox" checked={states.includes(state)} onChange={() => toggle(state)} />
            <State state={state} />
          </label>
        ))}
      </fieldset>
      <details class="more" open={MORE.some((name) => query.has(name))}>
        <summary>More filters</summary>
        <div class="filters">
          <FilterField name="queue" label="Queue" resets={RESETS} />
          <FilterField name="tag" label="Tag" resets={RESETS} />
          <FilterField name="worker" label="Worker" resets={RESETS} />
          <FilterField name="id" label="Id begins with" resets={RESETS} />
          <FilterField name="after" label="Sent after" type="datetime-local" resets={RESETS} />
          <FilterField name="before" label="Sent before" type="datetime-local" resets={RESETS} />
        </div>
      </details>
      {set && (
        <button
          type="button"
          class="quiet clear"
          onClick={() => setQuery(Object.fromEntries([...FIELDS, 'cursor'].map((name) => [name, null])))}
        >
          Clear the filter
        </button>
      )}
    </search>
  );
}
