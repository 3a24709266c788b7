/** What the run yields, as it comes. Looks again each second while it runs; keeps the last chunks on screen. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { ChunkList, RunDetail } from '../../../src/web/api.js';
import { address, get } from '../../core/api.js';
import { count, number, pretty, visible } from '../../core/text.js';
import { Section } from '../../ui/bits.js';

type Chunk = ChunkList['chunks'][number];

const MOST_SHOWN = 500;
const MOST_TEXT = 5_000;
const EVERY_MS = 1_000;

export function Stream({ run: { id, stream, doneAt } }: { run: RunDetail }) {
  const { chunks, next } = useChunks(id, stream, doneAt !== null);
  const box = useRef<HTMLOListElement>(null);
  const stick = useRef(true);
  // The latest chunk stays in view, unless the reader has scrolled up.
  useEffect(() => {
    const element = box.current;
    if (element !== null && stick.current) element.scrollTop = element.scrollHeight;
  }, [chunks]);
  if (stream === null) return null;
  return (
    <Section
      title="Stream"
      id="stream"
      aside={<span class="sub">{`${count(next, 'chunk')}${doneAt === null ? ' so far' : ''}`}</span>}
    >
      <ol
        class="chunks"
        ref={box}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
        tabIndex={0}
        aria-label="Chunks"
        onScroll={({ currentTarget: { scrollTop, clientHeight, scrollHeight } }) => {
          stick.current = scrollTop + clientHeight >= scrollHeight - 20;
        }}
      >
        {chunks.map(({ index, value }) => (
          <li key={index}>
            <span class="chunk-index">{number(index)}</span>
            <code>{textOf(value)}</code>
          </li>
        ))}
      </ol>
    </Section>
  );
}

function textOf(value: unknown): string {
  const text = typeof value === 'string' ? value : pretty(value);
  return visible(text.length > MOST_TEXT ? `${text.slice(0, MOST_TEXT)}…` : text);
}

function useChunks(
  id: string,
  stream: RunDetail['stream'],
  ended: boolean,
): { chunks: readonly Chunk[]; next: number } {
  const [shown, setShown] = useState<{ chunks: readonly Chunk[]; next: number }>({ chunks: [], next: 0 });
  const from = useRef(0);
  const attempt = stream?.attempt;
  const first = stream?.first ?? 0;
  const latest = stream?.next ?? 0;
  useEffect(() => {
    if (attempt === undefined) return undefined;
    const end = new AbortController();
    let timer: number | undefined;
    from.current = Math.max(first, latest - MOST_SHOWN);
    setShown({ chunks: [], next: latest });
    const look = async () => {
      let more = true;
      while (more && !end.signal.aborted) {
        const list = await get<ChunkList>(
          address(['runs', id, 'chunks'], { from: from.current }),
          end.signal,
        );
        more = list.chunks.length > 0 && list.next > from.current;
        from.current = list.next;
        if (list.chunks.length > 0)
          setShown((was) => ({
            chunks: [...was.chunks, ...list.chunks].slice(-MOST_SHOWN),
            next: list.next,
          }));
      }
    };
    const again = () =>
      look()
        .catch(() => undefined)
        .then(() => {
          if (!end.signal.aborted && !ended) timer = setTimeout(again, EVERY_MS);
        });
    again();
    return () => {
      end.abort();
      clearTimeout(timer);
    };
    // Where a stream has got to begins no new reading of it.
  }, [id, attempt, ended]);
  return shown;
}
