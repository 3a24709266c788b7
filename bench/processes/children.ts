/**
 * Every process the benchmark starts, so that none outlives it: each is ended by the id it was started with.
 * Each has a process group of its own, because Celery's worker is a tree.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';

const STDERR_TAIL = 4_000;

export interface SpawnOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly uid?: number;
  readonly gid?: number;
}

/** A started process and the end of what it wrote to stderr. */
export interface Child {
  readonly process: ChildProcessWithoutNullStreams;
  readonly pid: number;
  readonly stderrTail: () => string;
}

export class Children {
  readonly #alive = new Set<Child>();

  /** @throws when the command cannot be started */
  spawn(command: string, args: readonly string[], options: SpawnOptions = {}): Child {
    const process = spawn(command, args, { ...options, detached: true, stdio: 'pipe' });
    const { pid } = process;
    // 'error' also comes for commands that do not exist; the missing pid says it here and now.
    process.on('error', () => {});
    if (pid === undefined) throw new Error(`cannot start ${command}: is it installed and on the PATH?`);
    let tail = '';
    process.stderr.setEncoding('utf8').on('data', (text: string) => {
      tail = (tail + text).slice(-STDERR_TAIL);
    });
    const child: Child = { process, pid, stderrTail: () => tail.trim() };
    this.#alive.add(child);
    process.once('exit', () => this.#alive.delete(child));
    return child;
  }

  /** Asks it to end, insists after `graceMs`, and waits for it. */
  async stop(child: Child, graceMs: number): Promise<void> {
    if (!this.#alive.has(child)) return;
    const exited = once(child.process, 'exit');
    child.process.stdin.end();
    child.process.kill('SIGTERM');
    const insist = setTimeout(() => killGroup(child.pid), graceMs);
    await exited;
    clearTimeout(insist);
  }

  /** For the end of a run that was interrupted; does not wait. */
  killAll(): void {
    for (const child of this.#alive) killGroup(child.pid);
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It ended in the meantime.
  }
}
