/** What happened to a run, in its order. */
import type { RunDetail } from '../../../src/web/api.js';
import { exact } from '../../core/time.js';
import { Section, Text } from '../../ui/bits.js';

export function Timeline({ run: { timeline } }: { run: RunDetail }) {
  if (timeline.length === 0) return null;
  return (
    <Section title="Timeline" id="timeline">
      <ol class="timeline">
        {timeline.map(({ at, what, detail }, index) => (
          // Entries are only ever added at the end.
          <li key={index} class={`t-${/^[a-z-]+$/.test(what) ? what : 'other'}`}>
            <time dateTime={at} title={exact(Date.parse(at))}>
              {time(at)}
            </time>
            <span>
              <b>
                <Text most={40}>{what}</Text>
              </b>
              {detail !== null && (
                <>
                  {' '}
                  <Text most={200}>{detail}</Text>
                </>
              )}
            </span>
          </li>
        ))}
      </ol>
    </Section>
  );
}

function time(at: string): string {
  const date = new Date(at);
  const pad = (n: number, length = 2) => String(n).padStart(length, '0');
  return `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}.${pad(date.getMilliseconds(), 3)}`;
}
