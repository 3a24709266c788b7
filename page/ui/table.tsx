/**
 * The table of every list: a caption for screen readers, columns that sort, rows that j and k walk through. What has no
 * room scrolls inside it, never the page. On a phone, what can be done with a row stands in a line below it, in reach.
 */
import type { ComponentChildren } from 'preact';
import { useMemo } from 'preact/hooks';
import { narrow } from '../core/narrow.js';
import { setQuery, useRoute } from '../core/router.js';
import { settings } from '../core/settings.js';
import { useStore } from '../core/store.js';
import { Scroll } from './scroll.js';

export interface Column<R> {
  readonly key: string;
  readonly head: ComponentChildren;
  readonly cell: (row: R) => ComponentChildren;
  /** Makes the column sort. */
  readonly by?: (row: R) => number | string;
  readonly kind?: 'number' | 'wide' | 'actions' | 'check' | 'grow';
  /** Left out on screens that are not large, or not very large. */
  readonly large?: boolean | 'very';
}

export interface TableProps<R> {
  readonly caption: string;
  readonly columns: readonly Column<R>[];
  readonly rows: readonly R[];
  readonly id: (row: R) => string;
  /** A line below its row, over all columns. */
  readonly below?: (row: R) => ComponentChildren;
  readonly stale?: boolean;
  readonly selected?: ReadonlySet<string>;
  /** Where it is sorted from: its own part of the address. */
  readonly sortName?: string;
}

export function Table<R>(props: TableProps<R>) {
  const { caption, rows, id, below, stale, selected, sortName = 'by' } = props;
  const [columns, actions] = useLayout(props.columns);
  const { query } = useRoute();
  const sort = query.get(sortName) ?? '';
  const sorted = useMemo(() => sortRows(rows, columns, sort), [rows, columns, sort]);
  return (
    <Scroll look="table-box" label={caption}>
      <table class={stale === true ? 'stale' : undefined}>
        <caption class="sr">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <HeadCell key={column.key} column={column} sort={sort} sortName={sortName} />
            ))}
          </tr>
        </thead>
        <tbody>
          {sorted.map((row) => {
            const key = id(row);
            const more = below?.(row);
            const open = more !== undefined && more !== null && more !== false;
            return [
              <tr key={key} data-row aria-selected={selected?.has(key)} class={open ? 'opened' : undefined}>
                {columns.map((column) => (
                  <td key={column.key} class={look(column)}>
                    {column.cell(row)}
                  </td>
                ))}
              </tr>,
              actions !== undefined && (
                <tr key={`${key} actions`} class="actions-line">
                  <td colSpan={columns.length}>
                    <div class="actions-in-reach">{actions.cell(row)}</div>
                  </td>
                </tr>
              ),
              open && (
                <tr key={`${key} below`} class="below">
                  <td colSpan={columns.length}>{more}</td>
                </tr>
              ),
            ];
          })}
        </tbody>
      </table>
    </Scroll>
  );
}

/** The columns, and apart from them what can be done with a row, where it gets a line of its own. */
function useLayout<R>(columns: readonly Column<R>[]): [readonly Column<R>[], Column<R> | undefined] {
  const apart = useStore(narrow);
  const mayAct = useStore(settings).actions;
  const actions = columns.find(({ kind }) => kind === 'actions');
  if (actions === undefined || !apart) return [columns, undefined];
  return [columns.filter((column) => column !== actions), mayAct ? actions : undefined];
}

function HeadCell<R>({ column, sort, sortName }: { column: Column<R>; sort: string; sortName: string }) {
  if (column.by === undefined)
    return (
      <th scope="col" class={look(column)}>
        {column.head}
      </th>
    );
  const order = sort === column.key ? 'ascending' : sort === `-${column.key}` ? 'descending' : 'none';
  const next = order === 'descending' ? column.key : `-${column.key}`;
  return (
    <th scope="col" class={look(column)} aria-sort={order}>
      <button type="button" class="sort" onClick={() => setQuery({ [sortName]: next })}>
        {column.head}
        <span class="arrow" aria-hidden="true">
          {order === 'ascending' ? '↑' : order === 'descending' ? '↓' : ''}
        </span>
      </button>
    </th>
  );
}

function look<R>({ kind, large = false }: Column<R>): string | undefined {
  const room = large === 'very' ? 'very-large' : large ? 'large' : '';
  const classes = [kind === undefined ? '' : `c-${kind}`, room].filter(Boolean);
  return classes.length === 0 ? undefined : classes.join(' ');
}

function sortRows<R>(rows: readonly R[], columns: readonly Column<R>[], sort: string): readonly R[] {
  const by = columns.find(({ key }) => key === sort.replace(/^-/, ''))?.by;
  if (by === undefined) return rows;
  const sign = sort.startsWith('-') ? -1 : 1;
  return [...rows].sort((a, b) => {
    const one = by(a);
    const other = by(b);
    return sign * (one < other ? -1 : one > other ? 1 : 0);
  });
}
