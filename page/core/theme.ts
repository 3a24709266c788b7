/** Dark or light: the system's choice until the reader makes one. */
import { Store } from './store.js';

export type Theme = 'auto' | 'light' | 'dark';

const KEY = 'celeriac theme';
const THEMES: readonly Theme[] = ['auto', 'light', 'dark'];

export const theme = new Store<Theme>(stored());

/** Grows when colours have changed: what is drawn on a canvas is drawn again. */
export const colours = new Store(0);

export function applyTheme(): void {
  const { value } = theme;
  if (value === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = value;
  colours.set(colours.value + 1);
}

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => colours.set(colours.value + 1));

export function nextTheme(): void {
  const next = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length] ?? 'auto';
  theme.set(next);
  try {
    localStorage.setItem(KEY, next);
  } catch {
    // Without storage the choice lasts as long as the tab.
  }
  applyTheme();
}

function stored(): Theme {
  try {
    const value = localStorage.getItem(KEY);
    return THEMES.find((each) => each === value) ?? 'auto';
  } catch {
    return 'auto';
  }
}
