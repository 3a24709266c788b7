/**
 * Follows one task over a connection that may break at any time: connects again by itself, goes on after the last chunk
 * it has, and says everything once. No dependency, and nothing that browsers of the last years lack.
 */
import { readEvents } from './event-reader.js';

/** A state of a task. */
export interface Update {
  /** `PENDING`, `STARTED`, `SUCCESS`, …, or a state of the task's own. */
  readonly state: string;
  /** The last meta passed to `updateState`. */
  readonly meta: unknown;
}

/** Who hears of the task; nothing more is said after `onEnd` and `onError`. */
export interface Listener {
  onState(update: Update): void;
  onChunk(value: unknown, index: number, attempt: number): void;
  /** The task began again: the chunks so far do not count any more. */
  onRestart(): void;
  /** The task has ended, with a value or an error. */
  onEnd(value: unknown, error: Error | undefined): void;
  /** It cannot be followed. */
  onError(error: Error): void;
}

/** Between two connections, ms: at random up to this long, twice as long after each that brings nothing. */
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;
/** Without a byte for so long the connection is dead, ms: servers send something every 15 s. */
const SILENCE_MS = 45_000;
/** Answers of the kind "not now". */
const LATER: readonly number[] = [408, 425, 429];

/** @returns a function that leaves the task */
export function connect(
  url: string | URL,
  listener: Listener,
  fetch: typeof globalThis.fetch = globalThis.fetch,
): () => void {
  let over = false;
  let attempt: number | undefined;
  /** The index of the next chunk. */
  let next = 0;
  let lastId = '';
  let lastState = '';
  let failures = 0;
  let request: AbortController | undefined;
  let wake = () => {};

  const leave = () => {
    over = true;
    request?.abort();
    wake();
  };
  const enter = (of: number | undefined) => {
    if (of === attempt) return;
    if (next > 0) listener.onRestart();
    attempt = of;
    next = 0;
  };

  const hear = (type: string, text: string, id: string | undefined) => {
    if (over) return;
    const data = JSON.parse(text) as Data;
    failures = 0;
    if (type === 'state') {
      enter(data.attempt ?? attempt);
      // A new connection begins with the state that it finds.
      if (text !== lastState) listener.onState({ state: data.state, meta: data.meta });
      lastState = text;
    } else if (type === 'chunk') {
      enter(Number.parseInt(id ?? '0', 10));
      lastId = id ?? '';
      if (data.index < next) return;
      next = data.index + 1;
      listener.onChunk(data.value, data.index, attempt ?? 0);
    } else if (type === 'end') {
      leave();
      listener.onEnd(data.value, data.error && failure(data.error.name, data.error.message));
    }
  };

  const refuse = (error: Error) => {
    leave();
    listener.onError(error);
  };
  const once = async () => {
    const own = new AbortController();
    request = own;
    let watchdog: ReturnType<typeof setTimeout> | undefined;
    const alive = () => {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => own.abort(), SILENCE_MS);
    };
    alive();
    try {
      const headers = { accept: 'text/event-stream', ...(lastId && { 'last-event-id': lastId }) };
      const response = await fetch(url, { headers, signal: own.signal });
      const { status, body } = response;
      if (status >= 500 || LATER.includes(status)) return;
      if (status >= 400) {
        const refused = await refusal(response);
        if (!over) refuse(refused);
        return;
      }
      if (body === null || !response.headers.get('content-type')?.startsWith('text/event-stream'))
        return refuse(failure('FollowError', `${url} is no event stream (status ${status})`, { status }));
      await readEvents(body, own.signal, ({ type, data, id }) => hear(type, data, id), alive);
    } finally {
      clearTimeout(watchdog);
      own.abort();
    }
  };

  const run = async () => {
    // Who leaves at once, as React does when it is strict, costs no request.
    await null;
    if (!over && fetch === globalThis.fetch && !isAddress(url))
      refuse(failure('FollowError', `${url} is no address`));
    while (!over) {
      await once().catch(() => {}); // whatever the network has: it is tried again
      if (!over) await pause();
    }
  };
  const pause = () =>
    new Promise<void>((resolve) => {
      const longest = Math.min(FIRST_PAUSE_MS * 2 ** failures++, LONGEST_PAUSE_MS);
      const timer = setTimeout(resolve, longest * (0.5 + Math.random() / 2));
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  void run();
  return leave;
}

function isAddress(url: string | URL): boolean {
  try {
    return Boolean(new Request(url));
  } catch {
    // The network's own errors look the same, and pass; this one stays.
    return false;
  }
}

/** What events hold, of all kinds. */
interface Data {
  readonly state: string;
  readonly meta?: unknown;
  readonly attempt?: number;
  readonly index: number;
  readonly value?: unknown;
  readonly error?: { readonly name: string; readonly message: string };
}

/** What a server says that does not let in. */
async function refusal(response: Response): Promise<Error> {
  const { status } = response;
  const answer: unknown = await response.json().catch(() => {}); // it comes from something between
  const { code, message } = (answer ?? {}) as { code?: string; message?: string };
  const name = status === 404 ? 'UnknownTaskError' : 'FollowError';
  return failure(name, message ?? `The server answered ${status}`, { status, code });
}

export function failure(name: string, message: string, more?: object): Error {
  return Object.assign(new Error(message), { name }, more);
}
