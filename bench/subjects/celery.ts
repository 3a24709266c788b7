/**
 * Celery as distributed with Python: `python3 -m celery worker` with the prefork pool, results kept in Redis.
 * Its worker cannot be asked, so its progress is the number of stored results and its usage comes from the system.
 */
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import type { Child } from '../processes/children.js';
import { JsonChild } from '../processes/json-child.js';
import { treeUsage } from '../processes/process-tree.js';
import { callerOver } from './node-subject.js';
import type { Place, Subject, WorkerProcess } from './subject.js';

const run = promisify(execFile);

/** Seen from build/bench/subjects. */
const FOLDER = fileURLToPath(new URL('../../../bench/subjects/celery/', import.meta.url));
const RESULTS_DB = 1;
const POLL_MS = 10;
const STOP_GRACE_MS = 15_000;
const WORKER_ARGS = ['-m', 'celery', '-A', 'tasks', 'worker', '--without-mingle', '-l', 'WARNING'];

/** Prefork processes for a concurrency of ours; a hundred processes for no-op tasks compare to nothing. */
const PROCESSES: Readonly<Record<number, number>> = { 1: 1, 2: 2, 10: 2 };

/** The Python to try, in order: the first that has celery and redis. */
const PYTHONS = ['python3', '/usr/bin/python3'];

export function celerySubject(): Subject {
  let python = 'python3';
  return {
    name: 'celery',
    title: 'Celery',
    scale: 0.1,
    async available(broker) {
      if (broker !== 'redis') return { missing: 'its broker here is Redis' };
      const found = await findCelery();
      if ('python' in found) python = found.python;
      return found;
    },
    async startCaller(place) {
      const child = JsonChild.spawn(place.children, python, ['caller.py'], {
        cwd: FOLDER,
        env: environment(place),
      });
      return callerOver(child);
    },
    startWorker(place, { concurrency }) {
      const processes = PROCESSES[concurrency];
      return processes === undefined ? undefined : startWorker(python, place, processes);
    },
  };
}

async function findCelery(): Promise<{ python: string; version: string } | { missing: string }> {
  for (const python of PYTHONS) {
    try {
      const { stdout } = await run(python, ['-c', 'import redis, celery; print(celery.__version__)']);
      return { python, version: stdout.trim() };
    } catch {
      // This Python does not exist or lacks the packages; the next may have them.
    }
  }
  return { missing: 'no python3 with the packages celery and redis' };
}

async function startWorker(python: string, place: Place, processes: number): Promise<WorkerProcess> {
  const results = new Redis(place.broker.url, { db: RESULTS_DB, lazyConnect: true });
  await results.connect();
  let worker: Child | undefined;
  const started = (): Child => {
    if (worker === undefined) throw new Error('the Celery worker has not begun');
    return worker;
  };
  return {
    async begin() {
      worker = place.children.spawn(python, [...WORKER_ARGS, '-c', String(processes)], {
        cwd: FOLDER,
        env: environment(place),
      });
      worker.process.stdout.resume();
    },
    async reached(count) {
      while ((await results.dbsize()) < count) {
        if (worker !== undefined) checkAlive(worker);
        await sleep(POLL_MS);
      }
      return treeUsage(started().pid);
    },
    usage: () => treeUsage(started().pid),
    async stop() {
      results.disconnect();
      if (worker !== undefined) await place.children.stop(worker, STOP_GRACE_MS);
    },
  };
}

function checkAlive({ process: { exitCode, signalCode }, stderrTail }: Child): void {
  if (exitCode === null && signalCode === null) return;
  throw new Error(`the Celery worker ended with ${signalCode ?? `exit code ${exitCode}`}\n${stderrTail()}`);
}

function environment(place: Place): NodeJS.ProcessEnv {
  const { host, port } = place.broker;
  return { ...process.env, BENCH_REDIS: `${host}:${port}`, PYTHONDONTWRITEBYTECODE: '1' };
}
