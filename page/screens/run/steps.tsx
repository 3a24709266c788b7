/** The steps, sleeps and waits of a run. */
import type { RunDetail, RunStep } from '../../../src/web/api.js';
import { duration } from '../../core/time.js';
import { Moment, Section, Text } from '../../ui/bits.js';
import { type Column, Table } from '../../ui/table.js';

const WORDS: Readonly<Record<RunStep['kind'], string>> = {
  step: 'step',
  sleep: 'sleeps',
  wait: 'waits for a value',
};

export function Steps({ run: { steps } }: { run: RunDetail }) {
  if (steps.length === 0) return null;
  return (
    <Section title="Steps" id="steps">
      <Table
        caption="Steps of this run"
        columns={COLUMNS}
        rows={steps}
        id={({ name, kind }) => `${kind} ${name}`}
        sortName="steps"
      />
    </Section>
  );
}

const COLUMNS: readonly Column<RunStep>[] = [
  { key: 'name', head: 'Name', kind: 'grow', cell: ({ name }) => <Text>{name}</Text> },
  { key: 'kind', head: 'Kind', cell: ({ kind }) => WORDS[kind] },
  {
    key: 'started',
    head: 'Began',
    kind: 'number',
    cell: ({ startedAt }) => <Moment at={startedAt} as="clock" />,
  },
  {
    key: 'took',
    head: 'Took',
    kind: 'number',
    cell: ({ startedAt, doneAt }) =>
      doneAt === null ? (
        <span class="state s-waiting">not over</span>
      ) : (
        duration(Math.max(0, Date.parse(doneAt) - Date.parse(startedAt)))
      ),
  },
];
