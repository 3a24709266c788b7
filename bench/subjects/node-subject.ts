/** A subject written in TypeScript: its driver runs in two Node processes that are asked over stdin and stdout. */
import { fileURLToPath } from 'node:url';
import { JsonChild } from '../processes/json-child.js';
import type { CallerProcess, Place, Subject, WorkerProcess } from './subject.js';

export function nodeSubject(about: { name: string; title: string; version: () => string }): Subject {
  return {
    name: about.name,
    title: about.title,
    scale: 1,
    available: async () => ({ version: about.version() }),
    startCaller: (place) => startCaller(about.name, place),
    startWorker: (place, concurrency) => startWorker(about.name, place, concurrency),
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
    stop: () => child.stop(),
  };
}

async function startWorker(subject: string, place: Place, concurrency: number): Promise<WorkerProcess> {
  const child = spawnRole('worker', subject, place);
  const read = async (request: string, fields: object) => {
    const { after } = await child.ask(request, fields);
    if (after === undefined) throw new Error('the worker process gave no reading');
    return after;
  };
  return {
    begin: async () => {
      await child.ask('begin', { concurrency });
    },
    reached: (count) => read('reached', { count }),
    usage: () => read('usage', {}),
    stop: () => child.stop(),
  };
}

function spawnRole(role: 'caller' | 'worker', subject: string, place: Place): JsonChild {
  const script = fileURLToPath(new URL(`../processes/${role}-process.js`, import.meta.url));
  const { host, port } = place.broker;
  return JsonChild.spawn(place.children, process.execPath, [script, subject, host, String(port)]);
}
