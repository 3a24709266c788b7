/**
 * The package as its users get it: packed, and unpacked into the `node_modules` of a throw-away project. What else the
 * project has comes from the npm registry, once: installed folders are kept in the user's cache.
 */
import { type ExecFileOptions, execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { ProjectFiles } from './cli.js';
import { CLI_PATH } from './cli.js';

/** The checkout. */
export const ROOT = dirname(dirname(dirname(CLI_PATH)));
/** `npm run check:packages`; else the most telling cases. */
export const FULL = process.env.CELERIAC_CAMPAIGN !== undefined;
/** For tests of the full form. */
export const ONLY_FULL = { skip: FULL ? false : 'npm run check:packages' };

const run = promisify(execFile);
const CACHE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'celeriac-test-packages');

interface Scope {
  after(fn: () => void): void;
}

/** Packages by name, and what to ask for. */
export type Packages = Readonly<Record<string, string>>;

/** A folder that is removed after the test. */
export function temporary(t: Scope): string {
  const folder = mkdtempSync(join(tmpdir(), 'celeriac-packages-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Packs the checkout. @returns a folder like `node_modules/celeriac` */
export async function unpacked(t: Scope): Promise<string> {
  const folder = temporary(t);
  await run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder], { cwd: ROOT });
  const [tarball = ''] = readdirSync(folder);
  await run('tar', ['xzf', tarball], { cwd: folder });
  return join(folder, 'package');
}

/**
 * A project with this package, what that depends on, and `packages`.
 * @param celeriac what `unpacked` gave
 */
export async function projectWith(
  t: Scope,
  celeriac: string,
  files: ProjectFiles,
  packages: Packages = {},
): Promise<string> {
  const folder = temporary(t);
  write(folder, files);
  const modules = join(folder, 'node_modules');
  mkdirSync(modules, { recursive: true });
  const installed = await install(packages);
  for (const name of readdirSync(installed))
    if (name !== '.bin' && name !== '.package-lock.json')
      symlinkSync(join(installed, name), join(modules, name));
  cpSync(celeriac, join(modules, 'celeriac'), { recursive: true });
  return folder;
}

/** Writes a project's files. */
export function write(folder: string, files: ProjectFiles): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
}

/** @returns a `node_modules` with what this package needs and with `packages`; not to be changed */
export async function install(packages: Packages): Promise<string> {
  const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    dependencies: Packages;
  };
  const manifest = JSON.stringify({ private: true, dependencies: { ...dependencies, ...packages } });
  const folder = join(CACHE, createHash('sha256').update(manifest).digest('hex').slice(0, 16));
  if (!existsSync(folder)) {
    mkdirSync(CACHE, { recursive: true });
    const making = mkdtempSync(join(CACHE, 'making-'));
    try {
      writeFileSync(join(making, 'package.json'), manifest);
      const options = ['--no-audit', '--no-fund', '--prefer-offline', '--ignore-scripts', '--silent'];
      await run('npm', ['install', ...options], { cwd: making });
      // Somebody else may have made the same meanwhile.
      if (!existsSync(folder)) renameSync(making, folder);
    } finally {
      rmSync(making, { recursive: true, force: true });
    }
  }
  return join(folder, 'node_modules');
}

/** How a program ended. */
export interface Ended {
  readonly code: number;
  readonly output: string;
}

/** Runs a program to its end, without what this test run has in its environment. */
export async function ran(
  command: string,
  args: readonly string[],
  { env, ...options }: ExecFileOptions = {},
): Promise<Ended> {
  const clean = { ...process.env, NODE_TEST_CONTEXT: undefined, NODE_OPTIONS: undefined, NO_COLOR: '1' };
  try {
    const { stdout, stderr } = await run(command, [...args], {
      timeout: 120_000,
      maxBuffer: 2 ** 24,
      ...options,
      env: { ...clean, ...env },
      encoding: 'utf8',
    });
    return { code: 0, output: stdout + stderr };
  } catch (error) {
    const { code, stdout = '', stderr = '' } = error as { code?: unknown; stdout?: string; stderr?: string };
    return { code: typeof code === 'number' ? code : -1, output: `${stdout}${stderr}` || String(error) };
  }
}
