/** The events of a task as the body of a server-sent event stream, and the places that browsers resume at. */
import { browserJson } from './browser-json.js';
import type { ChunkPlace, TaskEvent } from './task-events.js';

/** The id of the last event. A browser that comes again with it wants nothing more. */
export const ENDED = 'end';

export const STREAM_HEADERS: Readonly<
  Record<'content-type' | 'cache-control' | 'x-accel-buffering', string>
> = {
  'content-type': 'text/event-stream; charset=utf-8',
  // Nothing on the way may keep it, or wait for more of it to compress.
  'cache-control': 'no-store, no-transform',
  'x-accel-buffering': 'no',
};

/** The first bytes: they let the headers through, and say when to connect again, ms. */
export const OPENING = 'retry: 1000\n\n';

/** One event as text. */
export function eventText(event: TaskEvent): string {
  switch (event.type) {
    case 'state': {
      const { state, meta, attempt } = event;
      return `event: state\ndata: ${browserJson({ state, meta, attempt })}\n\n`;
    }
    case 'chunk': {
      const { attempt, index, value } = event;
      return `id: ${attempt}.${index}\nevent: chunk\ndata: ${browserJson({ index, value })}\n\n`;
    }
    case 'end': {
      const { type, ...data } = event;
      return `id: ${ENDED}\nevent: ${type}\ndata: ${browserJson(data)}\n\n`;
    }
    case 'ping':
      return ': ping\n\n';
  }
}

/** The place in a `Last-Event-ID`; undefined for anything else. */
export function placeIn(id: string | null | undefined): ChunkPlace | undefined {
  const [, attempt, index] = /^(\d{1,15})\.(\d{1,15})$/.exec(id ?? '') ?? [];
  return attempt === undefined ? undefined : { attempt: Number(attempt), index: Number(index) };
}

/**
 * A body that asks for the next event only when the one before it has left.
 * @param onError gives the last event, if there is something to say
 * @param onClose called at its end, whoever ends it
 */
export function bodyOf(
  events: AsyncGenerator<TaskEvent, void, void>,
  { onError, onClose }: { onError(error: unknown): TaskEvent | undefined; onClose(): void },
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let state: 'new' | 'open' | 'over' = 'new';
  const next = async (): Promise<TaskEvent | undefined> => {
    try {
      const { done, value } = await events.next();
      if (done !== true) return value;
    } catch (error) {
      const last = state === 'over' ? undefined : onError(error);
      if (last !== undefined) return last;
    }
    return undefined;
  };
  const leave = () => {
    state = 'over';
    onClose();
    // Its end is nobody's any more.
    events.return().catch(() => undefined);
  };
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (state === 'new') {
          state = 'open';
          return controller.enqueue(encoder.encode(OPENING));
        }
        const event = await next();
        if (state === 'over') return;
        if (event !== undefined) return controller.enqueue(encoder.encode(eventText(event)));
        leave();
        controller.close();
      },
      cancel: leave,
    },
    { highWaterMark: 0 },
  );
}
