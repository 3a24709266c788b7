/**
 * What the page knows of its server: from index.html where the server has written it there, else from the first answer.
 * Until it is known the page shows no action.
 */
import type { Overview } from '../../src/web/api.js';
import { Store } from './store.js';

export interface Settings {
  readonly app: string;
  readonly version: string;
  /** Whether the reader may change something. */
  readonly actions: boolean;
}

export const settings = new Store<Settings>(written());

export function learn({ app, versions, readOnly }: Overview): void {
  const { value } = settings;
  if (value.app === app && value.version === versions.celeriac && value.actions === !readOnly) return;
  settings.set({ app, version: versions.celeriac, actions: !readOnly });
}

function written(): Settings {
  const content = document.querySelector('meta[name="celeriac"]')?.getAttribute('content') ?? '{}';
  try {
    const { app = '', version = '', readOnly } = JSON.parse(content) as Record<string, unknown>;
    return { app: String(app), version: String(version), actions: readOnly === false };
  } catch {
    return { app: '', version: '', actions: false };
  }
}
