/**
 * Loads packages when they are needed. The `require` call itself is in a CommonJS file, with a literal name, so that a
 * bundler finds it; this file makes it work wherever this package was installed or bundled.
 */
import { readFileSync } from 'node:fs';
import nodeModule from 'node:module';
import { dirname, join, sep } from 'node:path';
import packageFolder from './package-folder.cjs';

/**
 * Loads a package. In a bundle that is an ES module, CommonJS packages have no `require` for Node's own modules, and
 * esbuild throws ("Dynamic require of "events" is not supported"). Such a bundle gets a global `require`, as by the banner
 * that esbuild advises. It stays, since some packages require late (pg: `net`).
 */
export function loadPackage<T>(load: () => T): T {
  if (packageFolder.folder === undefined && !('require' in globalThis)) {
    const value = nodeModule.createRequire(join(process.cwd(), 'index.js'));
    Object.defineProperty(globalThis, 'require', { value, configurable: true, writable: true });
  }
  return load();
}

/**
 * Loads a package of which the application and this package must share one copy. A checkout that is linked into an
 * application (`npm install ../celeriac`, a workspace) would otherwise find the copy for its own tests.
 */
export function loadPeer<T>(name: string, load: () => T): T {
  for (const file of applicationFiles()) {
    const require = nodeModule.createRequire(file);
    try {
      require.resolve(name);
    } catch {
      continue; // the application has no copy; this package's own is used, or its error reports what is missing
    }
    return require(name) as T;
  }
  return loadPackage(load);
}

/** Files from which to resolve the application's packages; none if this package is installed among them. */
function applicationFiles(): string[] {
  if (!isCheckout(packageFolder.folder)) return [];
  const here = join(process.cwd(), 'index.js');
  const main = process.argv[1];
  if (main === undefined) return [here];
  // If this package's own file was started, the current folder identifies the application better.
  if (main.startsWith(`${packageFolder.folder}${sep}`)) return [here];
  return isInstalled(main) ? [here, main] : [main, here];
}

function isCheckout(folder: string | undefined): boolean {
  if (folder === undefined || isInstalled(folder)) return false;
  try {
    const manifest: unknown = JSON.parse(readFileSync(join(dirname(folder), 'package.json'), 'utf8'));
    return typeof manifest === 'object' && manifest !== null && Reflect.get(manifest, 'name') === 'celeriac';
  } catch {
    return false; // a bundle somewhere
  }
}

function isInstalled(path: string): boolean {
  return path.split(sep).includes('node_modules');
}
