/** Where to go. On a small screen a bar with a menu. */
import { useEffect, useState } from 'preact/hooks';
import { settings } from '../core/settings.js';
import { useStore } from '../core/store.js';
import { oneLine } from '../core/text.js';
import { nextTheme, theme } from '../core/theme.js';
import { LiveMark } from './connection.js';
import { showHelp } from './help.js';

const PLACES = [
  ['', 'Overview'],
  ['runs', 'Runs'],
  ['failed', 'Failed'],
  ['tasks', 'Tasks'],
  ['queues', 'Queues'],
  ['workers', 'Workers'],
  ['schedules', 'Schedules'],
  ['call', 'Call a task'],
] as const;

const THEME_WORDS = { auto: 'system', light: 'light', dark: 'dark' } as const;

export function Nav({ at }: { at: string }) {
  const { app, version, actions } = useStore(settings);
  const chosen = useStore(theme);
  const [open, setOpen] = useState(false);
  // The menu closes when the reader has gone somewhere.
  useEffect(() => setOpen(false), [at]);
  return (
    <header class="side">
      <div class="brand">
        <a href="#/" class="brand-name">
          celeriac
        </a>
        {app !== '' && <bdi class="brand-app">{oneLine(app, 40)}</bdi>}
        <button
          type="button"
          class="menu-button"
          aria-expanded={open}
          aria-controls="menu"
          onClick={() => setOpen(!open)}
        >
          Menu
        </button>
      </div>
      <div id="menu" class={open ? 'menu open' : 'menu'}>
        <nav aria-label="Screens">
          <ul>
            {PLACES.filter(([place]) => actions || place !== 'call').map(([place, name]) => (
              <li key={place}>
                <a href={`#/${place}`} aria-current={place === at ? 'page' : undefined}>
                  {name}
                </a>
              </li>
            ))}
          </ul>
        </nav>
        <div class="side-foot">
          <LiveMark />
          <button type="button" class="quiet" onClick={nextTheme}>
            Theme: {THEME_WORDS[chosen]}
          </button>
          <button type="button" class="quiet" onClick={showHelp}>
            Keyboard <kbd>?</kbd>
          </button>
          {version !== '' && <span class="version">{oneLine(version, 30)}</span>}
        </div>
      </div>
    </header>
  );
}
