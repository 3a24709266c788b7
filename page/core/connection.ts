/**
 * The live side of the page: one event stream from the server while the tab is seen, and what is known of the connection.
 * A lost stream is opened again by itself, with pauses that grow to five seconds; then everything on screen is read anew.
 */
import { Store } from './store.js';

/** `well`: what is shown is what is. Else what is shown is the last that was known. */
export type Health = 'starting' | 'well' | 'no-server' | 'no-broker';

export type LiveEvent = 'run' | 'worker' | 'queue' | 'rates';

export const health = new Store<Health>('starting');

/** Grows when a lost connection is back, or the tab is seen again: what was read before may be old. */
export const generation = new Store(0);

const EVENTS: readonly LiveEvent[] = ['run', 'worker', 'queue', 'rates'];
const FIRST_PAUSE_MS = 300;
const LONGEST_PAUSE_MS = 5_000;

const listeners = new Map<LiveEvent, Set<(data: unknown) => void>>(EVENTS.map((event) => [event, new Set()]));
let source: EventSource | undefined;
let pauseMs = FIRST_PAUSE_MS;
let timer: number | undefined;

/** An answer of the API, or its absence. */
export function heard(what: Exclude<Health, 'starting'>): void {
  const before = health.value;
  health.set(what);
  if (what === 'well' && (before === 'no-server' || before === 'no-broker')) renew();
}

export function onLive(event: LiveEvent, listener: (data: unknown) => void): () => void {
  const all = listeners.get(event);
  all?.add(listener);
  return () => all?.delete(listener);
}

/** Begins to listen, now and whenever the tab is seen. A browser gives an origin six connections: unseen tabs hold none. */
export function startLive(): void {
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) close();
    else {
      open();
      renew();
    }
  });
  if (!document.hidden) open();
}

function open(): void {
  close();
  const own = new EventSource(new URL('api/v1/events', document.baseURI));
  source = own;
  own.onopen = () => {
    pauseMs = FIRST_PAUSE_MS;
    if (health.value === 'no-server') heard('well');
  };
  own.onerror = () => {
    if (source !== own) return;
    heard('no-server');
    close();
    timer = setTimeout(open, pauseMs);
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
  };
  for (const event of EVENTS) own.addEventListener(event, (message) => dispatch(event, message));
}

function close(): void {
  clearTimeout(timer);
  source?.close();
  source = undefined;
}

function dispatch(event: LiveEvent, message: MessageEvent): void {
  let data: unknown;
  try {
    data = JSON.parse(String(message.data));
  } catch {
    return;
  }
  for (const listener of [...(listeners.get(event) ?? [])]) listener(data);
}

function renew(): void {
  generation.set(generation.value + 1);
}
