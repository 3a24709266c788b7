/** The keyboard: search, walk through rows, go to a screen, help. Keys typed into fields and dialogs are theirs. */
import { go } from '../core/router.js';
import { showHelp } from './help.js';

/** Screens by the letter after `g`. */
export const PLACES: Readonly<Record<string, string>> = {
  o: '#/',
  t: '#/tasks',
  r: '#/runs',
  w: '#/workers',
  q: '#/queues',
  s: '#/schedules',
  f: '#/failed',
  c: '#/call',
};

const TOGETHER_MS = 1_000;
let goPressedAt = Number.NEGATIVE_INFINITY;

export function startKeys(): void {
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (document.querySelector('dialog[open]') !== null) return;
    const { target } = event;
    if (target instanceof HTMLElement && isField(target)) {
      if (event.key === 'Escape') target.blur();
      return;
    }
    if (pressed(event.key)) event.preventDefault();
  });
}

function pressed(key: string): boolean {
  const place = PLACES[key];
  if (performance.now() - goPressedAt < TOGETHER_MS && place !== undefined) {
    goPressedAt = Number.NEGATIVE_INFINITY;
    go(place);
    return true;
  }
  switch (key) {
    case '/':
      return search();
    case 'j':
      return walk(1);
    case 'k':
      return walk(-1);
    case 'x':
      return check();
    case 'g':
      goPressedAt = performance.now();
      return true;
    case '?':
      showHelp();
      return true;
    default:
      return false;
  }
}

function isField(element: HTMLElement): boolean {
  if (element instanceof HTMLInputElement) return !['checkbox', 'radio', 'button'].includes(element.type);
  return element.matches('textarea, select, [contenteditable]');
}

/** The first search field of the screen; where there is none, that of the runs. */
function search(): boolean {
  const field = document.querySelector<HTMLElement>('main [data-search]');
  if (field !== null) field.focus();
  else go('#/runs');
  return true;
}

function walk(step: number): boolean {
  const rows = [...document.querySelectorAll<HTMLElement>('main [data-row]')];
  const at = rows.findIndex((row) => row.contains(document.activeElement));
  const row = rows[at < 0 ? (step > 0 ? 0 : rows.length - 1) : at + step];
  (
    row?.querySelector<HTMLElement>('[data-primary]') ?? row?.querySelector<HTMLElement>('a, button')
  )?.focus();
  row?.scrollIntoView({ block: 'nearest' });
  return true;
}

function check(): boolean {
  const row = document.activeElement?.closest('[data-row]');
  row?.querySelector<HTMLInputElement>('input[type=checkbox]')?.click();
  return true;
}
