/**
 * Loads packages at the moment they are needed. The `require` itself stands in a CommonJS file, by name, so that a
 * bundler finds it; what is here makes it work from wherever this package was installed or bundled.
 */
import { readFileSync } from 'node:fs';
import nodeModule from 'node:module';
import { dirname, join, sep } from 'node:path';
import packageFolder from './package-folder.cjs';

/**
 * Loads a package. A bundle that is an ES module has no `require` for what CommonJS packages need of Node itself, and
 * esbuild refuses it ("Dynamic require of "events" is not supported"). Such a bundle is given one, as by the banner that
 * esbuild advises; it stays, since some packages (pg: `net`) ask late.
 */
export function loadPackage<T>(load: () => T): T {
  if (packageFolder.folder === undefined && !('require' in globalThis)) {
    const value = nodeModule.createRequire(join(process.cwd(), 'index.js'));
    Object.defineProperty(globalThis, 'require', { value, configurable: true, writable: true });
  }
  return load();
}

/**
 * Loads a package of which the application and this one have to share a copy. From where it stands a checkout that is
 * linked into an application (`npm install ../celeriac`, a workspace) finds what it has for its own tests.
 */
export function loadPeer<T>(name: string, load: () => T): T {
  for (const file of applicationFiles()) {
    const require = nodeModule.createRequire(file);
    try {
      require.resolve(name);
    } catch {
      continue; // it is not the application's; this one's own will do, or say what is missing
    }
    return require(name) as T;
  }
  return loadPackage(load);
}

/** From where the application finds its packages; none where this package is one of them. */
function applicationFiles(): string[] {
  if (!isCheckout(packageFolder.folder)) return [];
  const here = join(process.cwd(), 'index.js');
  const main = process.argv[1];
  if (main === undefined) return [here];
  // A test runner, or this package's own command, says less about the application than the folder it was started in.
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
