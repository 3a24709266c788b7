/** How the fleet is doing: what happens a second, how long it takes, what waits, who works, what failed last. */
import type { Overview as Answer, Run } from '../../../src/web/api.js';
import { address } from '../../core/api.js';
import { link } from '../../core/router.js';
import { compact, number, oneLine, rate } from '../../core/text.js';
import { useData } from '../../core/use-data.js';
import { Empty, Head, Moment, Problem, RunLink, Section, Text, Waiting } from '../../ui/bits.js';
import { Charts } from './charts.js';

export function Overview() {
  const { data, error } = useData<Answer>(address(['overview']), {
    on: ['rates', 'worker'],
    leastMs: 2_000,
    everyMs: 5_000,
  });
  return (
    <>
      <Head title="Overview" sub={data && <Where answer={data} />} />
      <Problem error={error} />
      {data === undefined ? error === undefined && <Waiting /> : <Body answer={data} />}
    </>
  );
}

function Where({ answer: { broker } }: { answer: Answer }) {
  return (
    <p class="sub">
      on <Text mono>{broker}</Text>
    </p>
  );
}

function Body({ answer }: { answer: Answer }) {
  const { workers, queues, failures, rates } = answer;
  const idle = workers.online === 0;
  return (
    <>
      <ul class="tiles">
        <Tile name="Succeeded" value={rate(rates.perSecond.succeeded)} unit="/s" href={runs('SUCCESS')} />
        <Tile
          name="Failed"
          value={rate(rates.perSecond.failed)}
          unit="/s"
          href="#/failed"
          alarm={rates.perSecond.failed > 0}
        />
        <Tile name="Retried" value={rate(rates.perSecond.retried)} unit="/s" href={runs('RETRY')} />
        <Tile name="Waiting" value={compact(queues.waiting)} href="#/queues" />
        <Tile name="Running" value={compact(queues.active)} href={runs('STARTED')} />
        <Tile
          name="Workers"
          value={number(workers.online)}
          href="#/workers"
          unit={idle ? undefined : `${number(workers.busy)} of ${number(workers.slots)} slots`}
          alarm={idle}
        />
      </ul>
      {idle && (
        <Empty title="No worker is running" command={`celeriac -A tasks worker --loglevel=info`}>
          Tasks wait in their queues until a worker takes them. Start one:
        </Empty>
      )}
      <Charts series={answer.series} />
      <div class="two">
        <Section title="Latest failures" id="failures" aside={<a href="#/failed">All failed</a>}>
          {failures.length === 0 ? (
            <Empty title="Nothing has failed">
              Failed tasks appear here with their errors. A task without an answer yet is under{' '}
              <a href="#/runs">Runs</a>.
            </Empty>
          ) : (
            <ul class="lines">
              {failures.map((run) => (
                <Failure key={run.id} run={run} />
              ))}
            </ul>
          )}
        </Section>
        <Section title="Queues" id="totals" aside={<a href="#/queues">All queues</a>}>
          <dl class="facts">
            <Fact name="Queues" value={queues.count} />
            <Fact name="Paused" value={queues.paused} href="#/queues" />
            <Fact name="Waiting" value={queues.waiting} href={runs('PENDING')} />
            <Fact name="Delayed" value={queues.delayed} />
            <Fact name="Running" value={queues.active} href={runs('STARTED')} />
            <Fact name="Waiting for parts" value={queues.waitingChildren} />
            <Fact name="Failed" value={queues.failed} href="#/failed" />
            <Fact name="Finished" value={queues.finished} href={runs('SUCCESS')} />
          </dl>
        </Section>
      </div>
    </>
  );
}

function runs(state: string): string {
  return link(['runs'], { state });
}

interface TileProps {
  readonly name: string;
  readonly value: string;
  readonly unit?: string | undefined;
  readonly href: string;
  readonly alarm?: boolean;
}

function Tile({ name, value, unit, href, alarm }: TileProps) {
  return (
    <li>
      <a class={alarm === true ? 'tile alarm' : 'tile'} href={href}>
        <span class="tile-name">{name}</span>
        <span class="tile-value">
          {value} {unit !== undefined && <span class="tile-unit">{unit}</span>}
        </span>
      </a>
    </li>
  );
}

function Fact({ name, value, href }: { name: string; value: number; href?: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{href === undefined ? number(value) : <a href={href}>{number(value)}</a>}</dd>
    </div>
  );
}

function Failure({ run }: { run: Run }) {
  return (
    <li data-row>
      <span class="line-main">
        <RunLink id={run.id}>
          <Text>{run.name}</Text>
        </RunLink>
        <Moment at={run.doneAt} />
      </span>
      <span class="line-more" title={oneLine(run.error?.message ?? '', 1000)}>
        {run.error === null ? 'No error is stored' : <Text>{`${run.error.name}: ${run.error.message}`}</Text>}
      </span>
    </li>
  );
}
