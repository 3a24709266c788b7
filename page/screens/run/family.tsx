/** Who called a run, and whom it called. */
import type { RunLink as Relative, RunDetail } from '../../../src/web/api.js';
import { link } from '../../core/router.js';
import { number } from '../../core/text.js';
import { Section, State, Text } from '../../ui/bits.js';

const MOST_SHOWN = 50;

export function Family({ run: { id, ancestors, children, workflowId } }: { run: RunDetail }) {
  if (ancestors.length === 0 && children.length === 0) return null;
  return (
    <Section
      title="Family"
      id="family"
      aside={workflowId !== null && <a href={link(['runs', id, 'graph'])}>Graph</a>}
    >
      {ancestors.length > 0 && (
        <>
          <h3>Called by</h3>
          <List all={ancestors} />
        </>
      )}
      {children.length > 0 && (
        <>
          <h3>Has called</h3>
          <List all={children.slice(0, MOST_SHOWN)} />
          {children.length > MOST_SHOWN && (
            <p>
              and {number(children.length - MOST_SHOWN)} more:{' '}
              <a href={link(['runs', id, 'graph'])}>see the graph</a>
            </p>
          )}
        </>
      )}
    </Section>
  );
}

function List({ all }: { all: readonly Relative[] }) {
  return (
    <ul class="relatives">
      {all.map(({ id, name, state }) => (
        <li key={id}>
          <a href={link(['runs', id])}>
            <Text most={60}>{name}</Text>
          </a>
          <State state={state} />
        </li>
      ))}
    </ul>
  );
}
