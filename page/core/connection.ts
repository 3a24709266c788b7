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
let broken = false;
let probe = (): void => undefined;

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

/**
 * Begins to listen, now and whenever the tab is seen. A browser gives an origin six connections, so of all tabs that are
 * seen one listens and tells the others, where the browser can choose one: on a secure origin or this machine's own.
 * @param ask asks the server for anything
 */
export function startLive(ask: () => void): void {
  probe = ask;
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) leave();
    else {
      join();
      renew();
    }
  });
  if (!document.hidden) join();
}

const NAME = `celeriac live ${new URL('.', document.baseURI).pathname}`;
const others = typeof BroadcastChannel === 'undefined' ? undefined : new BroadcastChannel(NAME);
let turn: AbortController | undefined;

interface Told {
  readonly event: LiveEvent | 'again';
  readonly data?: unknown;
}

others?.addEventListener('message', ({ data: { event, data } }: MessageEvent<Told>) => {
  if (source !== undefined) return;
  if (event === 'again') renew();
  else publish(event, data);
});

function join(): void {
  leave();
  if (navigator.locks === undefined || others === undefined) {
    open();
    return;
  }
  const own = new AbortController();
  turn = own;
  const listen = () =>
    new Promise<void>((resolve) => {
      if (own.signal.aborted) {
        resolve();
        return;
      }
      own.signal.addEventListener('abort', () => resolve());
      open();
    });
  // Rejected when the tab is hidden before its turn came.
  navigator.locks.request(NAME, { signal: own.signal }, listen).catch(() => undefined);
}

function leave(): void {
  turn?.abort();
  turn = undefined;
  close();
}

function open(): void {
  close();
  const own = new EventSource(new URL('api/v1/events', document.baseURI));
  source = own;
  own.onopen = () => {
    pauseMs = FIRST_PAUSE_MS;
    if (!broken) return;
    broken = false;
    if (health.value === 'no-server') heard('well');
    else renew();
    others?.postMessage({ event: 'again' });
  };
  own.onerror = () => {
    if (source !== own) return;
    broken = true;
    close();
    // Whether the server is gone or only its stream, an answer says.
    probe();
    timer = setTimeout(open, pauseMs);
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
  };
  for (const event of EVENTS)
    own.addEventListener(event, (message) => {
      const data = parsed(message);
      if (data === undefined) return;
      others?.postMessage({ event, data });
      publish(event, data);
    });
}

function close(): void {
  clearTimeout(timer);
  source?.close();
  source = undefined;
}

function parsed(message: MessageEvent): unknown {
  try {
    return JSON.parse(String(message.data));
  } catch {
    return undefined;
  }
}

function publish(event: LiveEvent, data: unknown): void {
  for (const listener of [...(listeners.get(event) ?? [])]) listener(data);
}

function renew(): void {
  generation.set(generation.value + 1);
}
