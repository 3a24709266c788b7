/** One run: what it was called with, what it does now, how it went, why it failed, and whom it belongs with. */
import { useEffect } from 'preact/hooks';
import type { Run, RunDetail } from '../../../src/web/api.js';
import { address } from '../../core/api.js';
import { onLive } from '../../core/connection.js';
import { link } from '../../core/router.js';
import { useData } from '../../core/use-data.js';
import { Empty, Head, Id, Problem, Section, State, Waiting } from '../../ui/bits.js';
import { Copy, Json, Long } from '../../ui/json.js';
import { merge } from '../runs/live-list.js';
import { RunActions } from './actions.js';
import { Attempts } from './attempts.js';
import { Facts } from './facts.js';
import { Family } from './family.js';
import { Progress } from './progress.js';
import { Steps } from './steps.js';
import { Stream } from './stream.js';
import { Timeline } from './timeline.js';

export function RunScreen({ id }: { id: string }) {
  const { data: run, error, patch, reload } = useRun(id);
  if (run === undefined)
    return (
      <>
        <Head title="Run" />
        {error === undefined ? (
          <Waiting />
        ) : error.status === 404 ? (
          <Unknown id={id} />
        ) : (
          <Problem error={error} />
        )}
      </>
    );
  return (
    <>
      <Head title={run.name} sub={<Sub run={run} />}>
        <RunActions
          run={run}
          done={() => {
            patch((was) => was);
            reload();
          }}
        />
      </Head>
      <Problem error={error} />
      <div class="run">
        <div class="run-main">
          <Failure run={run} />
          <Progress run={run} />
          <Stream run={run} />
          <Section title="Arguments" id="arguments">
            <Json value={run.argsFull} label="Arguments" />
          </Section>
          {run.state === 'SUCCESS' && (
            <Section title="Result" id="result">
              <Json value={run.value} label="Result" />
            </Section>
          )}
          <Steps run={run} />
          <Attempts run={run} />
        </div>
        <div class="run-side">
          <Facts run={run} />
          <Family run={run} />
          <Timeline run={run} />
        </div>
      </div>
    </>
  );
}

/** Read when something happened to it, and changed at once by what an event says itself. */
function useRun(id: string) {
  const loaded = useData<RunDetail>(address(['runs', id]));
  const { patch, reload } = loaded;
  const ended = loaded.data !== undefined && loaded.data.doneAt !== null;
  useEffect(() => {
    let timer: number | undefined;
    const off = onLive('run', (event) => {
      const run = event as Run;
      if (run.id !== id && run.parentId !== id) return;
      if (run.id === id) patch((was) => merge(was, run));
      timer ??= setTimeout(() => {
        timer = undefined;
        reload();
      }, 700);
    });
    return () => {
      off();
      clearTimeout(timer);
    };
  }, [id, patch, reload]);
  useEffect(() => {
    if (ended) return undefined;
    const every = setInterval(reload, 5_000);
    return () => clearInterval(every);
  }, [ended, reload]);
  return loaded;
}

function Unknown({ id }: { id: string }) {
  return (
    <Empty title="There is no such run" command="celeriac -A tasks inspect query-task ID">
      <Id id={id} /> is unknown, was deleted, or its result has expired. <a href="#/runs">Search the runs</a>,
      or ask the workers:
    </Empty>
  );
}

function Sub({ run: { id, state, workflowId } }: { run: RunDetail }) {
  return (
    <p class="sub">
      <State state={state} /> <Id id={id} /> <Copy text={id} what="the id" />
      {workflowId !== null && <a href={link(['runs', id, 'graph'])}>Workflow</a>}
    </p>
  );
}

function Failure({ run: { state, error, stack } }: { run: RunDetail }) {
  if (error === null) return null;
  const title =
    state === 'FAILURE' ? 'Why it failed' : state === 'REVOKED' ? 'Why it was revoked' : 'Last error';
  return (
    <Section title={title} id="failure">
      <Long text={stack ?? `${error.name}: ${error.message}`} label="Error" />
    </Section>
  );
}
