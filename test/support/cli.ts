/**
 * For tests of the command line: a throw-away project folder that has celeriac installed, and the built command
 * running in it as a user would run it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

/** The built command. */
export const CLI_PATH = fileURLToPath(import.meta.resolve('#src/cli/main.js'));
const PACKAGE_ROOT = dirname(dirname(dirname(CLI_PATH)));

/** Files by their path; `node_modules` holds celeriac and those of its dependencies that are asked for. */
export interface ProjectFiles {
  readonly [path: string]: string;
}

/** A project folder, removed after the test. By default with SWC, and with reflect-metadata, as most projects are. */
export function project(
  t: Pick<TestContext, 'after'>,
  files: ProjectFiles,
  dependencies: readonly string[] = ['@swc/core', 'reflect-metadata'],
): string {
  const folder = mkdtempSync(join(tmpdir(), 'celeriac-cli-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  link(PACKAGE_ROOT, join(folder, 'node_modules', 'celeriac'));
  for (const name of dependencies) {
    link(join(PACKAGE_ROOT, 'node_modules', name), join(folder, 'node_modules', name));
  }
  return folder;
}

function link(target: string, path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(target, path, 'dir');
}

/** How a run of the command went. */
export interface CliRun {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Where and with what a command runs; variables of this process that start with CELERIAC_ are kept from it. */
export interface CliOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** What it reads from a pipe; by default nothing. */
  readonly input?: string;
}

/** Runs the command to its end. */
export async function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliRun> {
  return new RunningCli(spawnCli(args, options)).ended;
}

/** Starts the command; it is killed after the test if it still runs. */
export function startCli(
  t: Pick<TestContext, 'after'>,
  args: readonly string[],
  options: CliOptions = {},
): RunningCli {
  const running = new RunningCli(spawnCli(args, options));
  t.after(() => running.kill('SIGKILL'));
  return running;
}

/** A command that runs: its words so far, and its end. */
export class RunningCli {
  readonly ended: Promise<CliRun>;
  readonly #child: ChildProcess;
  readonly #watchers = new Set<() => void>();
  #stdout = '';
  #stderr = '';

  constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.on('data', (chunk) => {
      this.#stdout += String(chunk);
      for (const look of this.#watchers) look();
    });
    child.stderr?.on('data', (chunk) => {
      this.#stderr += String(chunk);
      for (const look of this.#watchers) look();
    });
    this.ended = new Promise((resolve) => {
      child.on('close', (code) => {
        resolve({ code, stdout: this.#stdout, stderr: this.#stderr });
        for (const look of this.#watchers) look();
      });
    });
  }

  get output(): string {
    return this.#stdout + this.#stderr;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Closes the ends that its words come out of: nobody reads them any more. */
  stopReading(): void {
    this.#child.stdout?.destroy();
    this.#child.stderr?.destroy();
  }

  /** Resolves once `pattern` was printed `times` times. */
  async printed(pattern: RegExp, { times = 1, timeoutMs = 90_000 } = {}): Promise<void> {
    const every = new RegExp(pattern.source, `${pattern.flags.replace('g', '')}g`);
    await new Promise<void>((resolve, reject) => {
      const done = (act: () => void) => {
        clearTimeout(timer);
        this.#watchers.delete(look);
        act();
      };
      const look = () => {
        if ([...this.output.matchAll(every)].length >= times) done(resolve);
        else if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
          done(() => reject(new Error(`ended before printing ${pattern}:\n${this.output}`)));
        }
      };
      const timer = setTimeout(
        () => done(() => reject(new Error(`no ${pattern} within ${timeoutMs} ms in:\n${this.output}`))),
        timeoutMs,
      );
      this.#watchers.add(look);
      look();
    });
  }
}

function spawnCli(args: readonly string[], { cwd, env, input }: CliOptions): ChildProcess {
  const clean = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(CELERIAC_|NODE_OPTIONS$|FORCE_COLOR$)/.test(name)),
  );
  const child = spawn(process.execPath, [CLI_PATH, ...args], {
    ...(cwd === undefined ? {} : { cwd }),
    env: { ...clean, ...env },
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  child.stdin?.end(input);
  return child;
}
