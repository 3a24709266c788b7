/** Reads a stream of server-sent events. */

/** One event, as it was sent. */
export interface ServerEvent {
  readonly type: string;
  readonly data: string;
  readonly id: string | undefined;
}

/**
 * Calls back for each event of `body`, until its end, or until the signal aborts. A body whose request is aborted need not
 * end by itself: in Node a read may wait for ever.
 * @param onBytes called whenever something came, comments included
 */
export async function readEvents(
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal,
  onEvent: (event: ServerEvent) => void,
  onBytes: () => void,
): Promise<void> {
  const reader = body.getReader();
  const leave = () => void reader.cancel().catch(() => {}); // it may have failed before
  signal.addEventListener('abort', leave);
  if (signal.aborted) leave();
  const decoder = new TextDecoder();
  let rest = '';
  let type = '';
  let data: string[] = [];
  let id: string | undefined;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    onBytes();
    const text = decoder.decode(value, { stream: true });
    rest += text;
    // A long line comes in many pieces: it is searched once.
    if (!text.includes('\n')) continue;
    const lines = rest.split(/\r?\n/);
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line === '') {
        if (data.length > 0) onEvent({ type, data: data.join('\n'), id });
        type = '';
        data = [];
        id = undefined;
        continue;
      }
      const [, field, content = ''] = /^(\w+): ?(.*)$/.exec(line) ?? [];
      if (field === 'event') type = content;
      else if (field === 'data') data.push(content);
      else if (field === 'id') id = content;
    }
  }
}
