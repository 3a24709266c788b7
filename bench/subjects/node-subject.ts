/** A subject written in TypeScript: its driver runs in two Node processes that are asked over stdin and stdout. */
import { fileURLToPath } from 'node:url';
import { JsonChild } from '../processes/json-child.js';
import type {
  CallerProcess,
  Place,
  Reading,
  StartUp,
  Subject,
  WorkerNeeds,
  WorkerProcess,
} from './subject.js';

export function nodeSubject(about: { name: string; title: string; version: () => string }): Subject {
  return {
    name: about.name,
    title: about.title,
    scale: 1,
    available: async () => ({ version: about.version() }),
    startCaller: (place) => startCaller(about.name, place),
    startWorker: (place, needs) => startWorker(about.name, place, needs),
    startUp: (place) => startUp(about.name, place),
  };
}

async function startCaller(subject: string, place: Place): Promise<CallerProcess> {
  const child = spawnRole('caller', subject, place);
  try {
    await child.ask('open', {});
  } catch (error) {
    await child.stop();
    throw error;
  }
  return callerOver(child);
}

/** A caller process that speaks the protocol of `processes/json-child.ts`, in whichever language. */
export function callerOver(child: JsonChild): CallerProcess {
  return {
    fill: async (first, count) => {
      await child.ask('fill', { first, count });
    },
    perform: async (work) => {
      const { before, after, latenciesMs, unsupported } = await child.ask('perform', work);
      if (unsupported) return undefined;
      if (before === undefined || after === undefined) throw new Error('the caller process gave no readings');
      return { before, after, latenciesMs };
    },
    usage: () => readUsage(child, 'usage', {}),
    stop: () => child.stop(),
  };
}

async function readUsage(child: JsonChild, request: string, fields: object): Promise<Reading> {
  const { after } = await child.ask(request, fields);
  if (after === undefined) throw new Error('the process gave no reading');
  return after;
}

/** The worker is asked to begin at once, so its readiness is seen from its own start. */
async function startUp(subject: string, place: Place): Promise<StartUp> {
  const child = spawnRole('worker', subject, place);
  try {
    const { importMs, readyMs } = await child.ask('begin', { concurrency: 1, threads: false });
    if (importMs === undefined || readyMs === undefined) throw new Error('the worker did not say when');
    return { importMs, readyMs };
  } finally {
    await child.stop();
  }
}

async function startWorker(subject: string, place: Place, needs: WorkerNeeds): Promise<WorkerProcess> {
  const child = spawnRole('worker', subject, place);
  return {
    begin: async () => {
      await child.ask('begin', needs);
    },
    reached: (count) => readUsage(child, 'reached', { count }),
    usage: () => readUsage(child, 'usage', {}),
    stop: () => child.stop(),
  };
}

function spawnRole(role: 'caller' | 'worker', subject: string, place: Place): JsonChild {
  const script = fileURLToPath(new URL(`../processes/${role}-process.js`, import.meta.url));
  return JsonChild.spawn(place.children, place.node, [script, subject, place.broker.url]);
}
