/** The caller's side: sends one task per report and watches them all. Takes the reports' ids as arguments. */
import { showProgress } from './progress.js';
import { app, broker, type Progress, reports } from './tasks.js';

const ids = process.argv.length > 2 ? process.argv.slice(2) : ['41', '42', '43'];
const show = showProgress(ids);

// An embedded broker lives in this process, so its worker does as well. On Redis it is a process of its own.
if (/^(memory|file):/.test(broker)) {
  show.note('starting the embedded broker and a worker in this process');
  await app.worker({ concurrency: 4 }).start();
} else {
  show.note('calling a worker over the broker (celeriac -A tasks worker)');
}

await Promise.all(
  ids.map(async (id) => {
    const result = await reports.generateReport.delay(id);
    for await (const { state, meta } of result.updates()) {
      if (state === 'PROGRESS') show.progress(id, meta as Progress);
    }
    show.done(id, await result.get());
  }),
);

show.end();
await app.close();
