/** Changes to many runs: to those selected, or to all that match. Each asks first, and says how many it is about. */
import { useEffect, useState } from 'preact/hooks';
import type { RunList } from '../../../src/web/api.js';
import { address, get } from '../../core/api.js';
import { changeRuns, type RunsAction, type Target, told } from '../../core/changes.js';
import { count, number } from '../../core/text.js';
import { ActionDialog, showDialog } from '../../ui/dialog.js';
import { asQuery, type Filter, inWords } from './filter.js';

interface BulkProps {
  readonly selected: ReadonlySet<string>;
  readonly filter: Filter;
  readonly done: () => void;
}

interface Kind {
  readonly action: RunsAction;
  readonly verb: string;
  readonly past: string;
  readonly danger: boolean;
  readonly says: string;
}

const KINDS: readonly Kind[] = [
  {
    action: 'retry',
    verb: 'Retry',
    past: 'Retried',
    danger: false,
    says: 'Those that have failed are queued again, with their arguments. The others are left as they are.',
  },
  {
    action: 'revoke',
    verb: 'Revoke',
    past: 'Revoked',
    danger: true,
    says: 'Those that have not ended are stopped for good and read REVOKED. This cannot be undone.',
  },
  {
    action: 'delete',
    verb: 'Delete',
    past: 'Deleted',
    danger: true,
    says: 'Those that have ended are removed, with their results and errors. This cannot be undone.',
  },
];

export function Bulk({ selected, filter, done }: BulkProps) {
  const ids = [...selected];
  return (
    <div class="bulk">
      <span class="bulk-count">{ids.length === 0 ? 'None selected' : `${number(ids.length)} selected`}</span>
      {KINDS.map((kind) => (
        <button
          key={kind.action}
          type="button"
          class="small"
          disabled={ids.length === 0}
          onClick={() => showDialog(<Selected kind={kind} ids={ids} done={done} />)}
        >
          {kind.verb}
        </button>
      ))}
      <span class="bulk-all" role="group" aria-label="All that match the filter">
        <span aria-hidden="true">All that match:</span>
        {KINDS.map((kind) => (
          <button
            key={kind.action}
            type="button"
            class="small"
            onClick={() => showDialog(<Matching kind={kind} filter={filter} done={done} />)}
          >
            {kind.verb}
            <span class="sr"> all that match</span>
          </button>
        ))}
      </span>
    </div>
  );
}

function Selected({ kind, ids, done }: { kind: Kind; ids: readonly string[]; done: () => void }) {
  const label = `${kind.verb} ${count(ids.length, 'run')}`;
  return (
    <ActionDialog
      title={`${label}?`}
      label={label}
      danger={kind.danger}
      act={(form) => act(kind, { ids }, form, done)}
    >
      <p>{kind.says}</p>
      <Terminate kind={kind} />
    </ActionDialog>
  );
}

function Matching({ kind, filter, done }: { kind: Kind; filter: Filter; done: () => void }) {
  const { n, exact, over, problem } = useMatching(filter);
  const many = `${over && !exact ? 'at least ' : ''}${count(n, 'run')}`;
  return (
    <ActionDialog
      title={`${kind.verb} all runs that match?`}
      label={over ? `${kind.verb} ${many}` : `Counting… ${number(n)}`}
      danger={kind.danger}
      notReady={!over || (n === 0 && exact)}
      act={(form) => act(kind, { filter }, form, done)}
    >
      <p>
        The filter is: <b>{inWords(filter)}</b>.
      </p>
      <p aria-live="polite">
        {problem ?? (over ? `It matches ${many} now.` : `Counting what matches: ${number(n)} so far…`)}
      </p>
      <p>{kind.says}</p>
      <Terminate kind={kind} />
    </ActionDialog>
  );
}

function Terminate({ kind: { action } }: { kind: Kind }) {
  if (action !== 'revoke') return null;
  return (
    <label class="check">
      <input type="checkbox" name="terminate" /> Stop those that run as well
    </label>
  );
}

async function act(kind: Kind, target: Target, form: FormData, done: () => void) {
  const more = kind.action === 'revoke' ? { terminate: form.get('terminate') !== null } : {};
  const changed = await changeRuns(kind.action, target, more);
  done();
  return { text: told(kind.past, changed), bad: (changed.refused ?? []).length > 0 };
}

interface Matches {
  readonly n: number;
  readonly over: boolean;
  readonly exact: boolean;
  readonly problem?: string;
}

const PAGE = 200;
/** Enough to know the size; more would keep the broker busy for a number. */
const MOST_PAGES = 50;

/** Counts by looking, page by page, while the dialog is open. */
function useMatching(filter: Filter): Matches {
  const [matches, setMatches] = useState<Matches>({ n: 0, over: false, exact: false });
  // One dialog counts once.
  useEffect(() => {
    const end = new AbortController();
    const look = async () => {
      let n = 0;
      let cursor: string | null = '';
      for (let page = 0; page < MOST_PAGES && cursor !== null; page++) {
        const list: RunList = await get(
          address(['runs'], asQuery(filter, { limit: PAGE, cursor })),
          end.signal,
        );
        n += list.runs.length;
        cursor = list.complete ? null : list.next;
        setMatches({ n, over: cursor === null, exact: cursor === null });
      }
      setMatches({ n, over: true, exact: cursor === null });
    };
    look().catch((error: unknown) => {
      if (!end.signal.aborted) setMatches({ n: 0, over: false, exact: false, problem: String(error) });
    });
    return () => end.abort();
  }, []);
  return matches;
}
