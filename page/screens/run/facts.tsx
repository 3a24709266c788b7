/** The run's figures, tags, headers and options. */
import type { ComponentChildren } from 'preact';
import type { RunDetail } from '../../../src/web/api.js';
import { link } from '../../core/router.js';
import { Duration, Moment, Ran, Section, Text } from '../../ui/bits.js';
import { Json } from '../../ui/json.js';

export function Facts({ run }: { run: RunDetail }) {
  const { queue, worker, attempt, retries, deliveries, priority, tags, headers, options } = run;
  return (
    <Section title="Facts" id="facts">
      <dl class="pairs">
        <Pair name="Queue">
          <a href={link(['runs'], { queue })}>
            <Text>{queue}</Text>
          </a>
        </Pair>
        <Pair name="Worker">
          {worker === null ? (
            'none yet'
          ) : (
            <a href={link(['workers'], { find: worker })}>
              <Text>{worker}</Text>
            </a>
          )}
        </Pair>
        <Pair name="Sent">
          <Moment at={run.sentAt} as="clock" />
        </Pair>
        {run.eta !== null && (
          <Pair name="Due">
            <Moment at={run.eta} as="clock" />
          </Pair>
        )}
        <Pair name="Started">
          <Moment at={run.startedAt} as="clock" />
        </Pair>
        <Pair name="Ended">
          <Moment at={run.doneAt} as="clock" />
        </Pair>
        <Pair name="Waited">
          <Duration ms={run.wait} />
        </Pair>
        <Pair name="Ran">
          <Ran run={run} />
        </Pair>
        <Pair name="Attempt">
          {attempt + 1} ({retries} retried, {deliveries} delivered)
        </Pair>
        {priority !== null && <Pair name="Priority">{priority}</Pair>}
        {tags.length > 0 && (
          <Pair name="Tags">
            <span class="tags">
              {tags.map((tag) => (
                <a key={tag} class="tag" href={link(['runs'], { tag })}>
                  <Text most={60}>{tag}</Text>
                </a>
              ))}
            </span>
          </Pair>
        )}
      </dl>
      <Folded title="Headers" value={headers} />
      <Folded title="Options" value={options} />
    </Section>
  );
}

function Pair({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Folded({ title, value }: { title: string; value: Readonly<Record<string, unknown>> }) {
  if (Object.keys(value).length === 0) return null;
  return (
    <details>
      <summary>{title}</summary>
      <Json value={value} label={title} />
    </details>
  );
}
