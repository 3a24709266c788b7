/** The frame of all screens: where to go, what the connection is like, and the screen itself. */
import { useEffect, useRef } from 'preact/hooks';
import type { Overview as OverviewAnswer } from '../src/web/api.js';
import { address } from './core/api.js';
import { useRoute } from './core/router.js';
import { learn } from './core/settings.js';
import { useData } from './core/use-data.js';
import { Call } from './screens/call/call.js';
import { Failed } from './screens/failed/failed.js';
import { NotFound } from './screens/not-found.js';
import { Overview } from './screens/overview/overview.js';
import { Queues } from './screens/queues.js';
import { RunScreen } from './screens/run/run.js';
import { Runs } from './screens/runs/runs.js';
import { Schedules } from './screens/schedules/schedules.js';
import { Tasks } from './screens/tasks/tasks.js';
import { Workers } from './screens/workers/workers.js';
import { Workflow } from './screens/workflow/workflow.js';
import { Connection } from './ui/connection.js';
import { DialogHost } from './ui/dialog.js';
import { Nav } from './ui/nav.js';
import { Notices } from './ui/notices.js';

export function App() {
  const { path } = useRoute();
  const about = useData<OverviewAnswer>(address(['overview']), { everyMs: 10_000 }).data;
  useEffect(() => {
    if (about !== undefined) learn(about);
  }, [about]);
  useFocusOnArrival(path.join('/'));
  return (
    <>
      <button type="button" class="skip" onClick={skip}>
        Skip to the content
      </button>
      <Nav at={path[0] ?? ''} />
      <main>
        <Screen path={path} />
      </main>
      <Connection />
      <Notices />
      <DialogHost />
    </>
  );
}

function Screen({ path }: { path: readonly string[] }) {
  const [place = '', id, part] = path;
  switch (place) {
    case '':
      return <Overview />;
    case 'tasks':
      return <Tasks />;
    case 'runs':
      if (id === undefined) return <Runs />;
      return part === 'graph' ? <Workflow key={id} id={id} /> : <RunScreen key={id} id={id} />;
    case 'workers':
      return <Workers />;
    case 'queues':
      return <Queues />;
    case 'schedules':
      return <Schedules />;
    case 'failed':
      return <Failed />;
    case 'call':
      return <Call key={id} task={id} />;
    default:
      return <NotFound />;
  }
}

/** Another screen begins at its heading, for screen readers as well. Not at the start, when the reader has done nothing. */
function useFocusOnArrival(place: string): void {
  const before = useRef(place);
  useEffect(() => {
    if (before.current === place) return;
    before.current = place;
    scrollTo(0, 0);
    document.getElementById('title')?.focus({ preventScroll: true });
  }, [place]);
}

function skip(): void {
  document.getElementById('title')?.focus();
}
