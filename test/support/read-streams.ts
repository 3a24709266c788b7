/** Reads streams to their end and checks every chunk: the chunk at each index is the index itself. */
import type { Celeriac } from 'celeriac';

/** What a reader says: how far it came in a stream, that the stream has ended, or what was wrong with it. */
export type Heard =
  | { readonly id: string; readonly next: number }
  | { readonly id: string; readonly ended: true }
  | { readonly id: string; readonly wrong: string };

/** Reads all streams at once. Never rejects. @param streams ids, each with the index of the first chunk */
export async function readStreams(
  app: Celeriac,
  streams: readonly (readonly [id: string, from: number])[],
  say: (heard: Heard) => void,
  signal?: AbortSignal,
): Promise<void> {
  const read = async (id: string, from: number) => {
    let next = from;
    const chunks = app.result<number, number>(id).stream({ from, ...(signal !== undefined && { signal }) });
    for await (const { index, chunk } of chunks.entries()) {
      if (index !== next || chunk !== next) say({ id, wrong: `chunk ${chunk} at ${index}, not ${next}` });
      next++;
      if (next % 50 === 0) say({ id, next });
    }
    say({ id, next });
    say({ id, ended: true });
  };
  await Promise.all(
    streams.map(([id, from]) => read(id, from).catch((error: unknown) => say({ id, wrong: String(error) }))),
  );
}
