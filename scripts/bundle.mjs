/**
 * Makes one file, `dist/core.js`, of all modules that `import 'celeriac'` loads, and of each of them a few lines that give
 * out what it did. Node spends most of a millisecond on every module it loads, and there are two hundred (ADR 0016). Paths,
 * types and what is loaded on first use stay as tsc left them, and there is one copy of everything.
 *
 * What commands need before they need an app is a file of its own, which the core shares.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const require = createRequire(import.meta.url);
const DIST = resolve(dirname(fileURLToPath(import.meta.url)), '../dist');
const CORE = 'core.js';
const BASE = 'base.js';
/** Rooms that no command enters without an app. */
const DEEP = /^(?:app|index)\.js$|^(?:broker|coordination|queue|calls|canvas|results|worker)\//;
/** What renews locks. */
const THREAD = 'queue/locks/lock-thread.js';
/** CommonJS inside: `require` spares Node the search for the names they export, a third of what loading them takes. */
const COMMON_JS = { bullmq: 'broker/bullmq.cjs', ioredis: 'broker/redis/ioredis.cjs' };

const modules = closureOf('index.js');
const base = shallowOf(readdirSync(join(DIST, 'cli'), { recursive: true }).map((name) => `cli/${name}`));
const exported = new Map();
for (const path of modules)
  exported.set(path, Object.keys(await import(pathToFileURL(join(DIST, path)).href)));

await bundle(DIST, [CORE, BASE], { splitting: true, chunkNames: 'shared-[hash]' });
// The thread needs little of it, and has a copy of its own: it shares nothing but memory with the others anyway.
await bundle(join(DIST, dirname(THREAD)), [join(DIST, THREAD)], {});
for (const path of modules) writeStub(path);

/**
 * esbuild names functions as they are made, those within others at each call of these: that is measurable in a task. Most
 * have their names already.
 */
function spareNames(files) {
  const naming = /(var __name = \(target, value\) => )(__defProp\(target, "name", \{)/;
  const found = files.filter(({ path, text }) => {
    if (!path.endsWith('.js') || !naming.test(text)) return false;
    writeFileSync(path, text.replace(naming, '$1target.name === value ? target : $2'));
    return true;
  });
  if (found.length === 0) throw new Error('esbuild keeps names in another way than this script knows');
}

async function bundle(home, entryPoints, how) {
  const { outputFiles } = await build({
    ...how,
    write: false,
    entryPoints,
    outdir: home,
    allowOverwrite: true,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    // People see class names when they print results, apps and errors.
    keepNames: true,
    sourcemap: true,
    sourcesContent: false,
    logLevel: 'warning',
    plugins: [{ name: 'celeriac', setup: plugin(home) }],
  });
  for (const { path, contents } of outputFiles) writeFileSync(path, contents);
  spareNames(outputFiles);
}

/** What these modules import of the core that leads nowhere deep. */
function shallowOf(paths) {
  const found = new Set();
  for (const path of paths.filter((each) => each.endsWith('.js')))
    for (const target of importsOf(path)) {
      const all = modules.has(target) ? closureOf(target) : [];
      if (![...all].some((each) => DEEP.test(each))) for (const each of all) found.add(each);
    }
  return found;
}

/** Every module that `path` imports, and they import, before anything runs; relative to `dist`. */
function closureOf(path, found = new Set()) {
  if (found.has(path)) return found;
  found.add(path);
  for (const target of importsOf(path)) closureOf(target, found);
  return found;
}

function importsOf(path) {
  const text = readFileSync(join(DIST, path), 'utf8');
  const found = text.matchAll(/^(?:import|export)\b[^'";]*?['"](\.[^'"]+)['"]/gm);
  return [...found]
    .map(([, target]) => join(dirname(path), target))
    .filter((target) => target.endsWith('.js'));
}

/** All of each module under a name of its own. */
function entry(name) {
  const within = name === BASE ? base : modules;
  const lines = [...within].map((path) => `export * as ${nameOf(path)} from './${path}';`);
  return name === BASE ? lines.join('\n') : ["export * from './index.js';", ...lines].join('\n');
}

function writeStub(path) {
  const file = relative(dirname(path), base.has(path) ? BASE : CORE);
  const from = file.startsWith('.') ? file : `./${file}`;
  const names = exported.get(path).join(', ');
  const text =
    path === 'index.js'
      ? `export { ${names} } from '${from}';\n`
      : `import { ${nameOf(path)} as all } from '${from}';\nexport const { ${names} } = all;\n`;
  writeFileSync(join(DIST, path), text);
  rmSync(join(DIST, `${path}.map`), { force: true });
}

/** What a CommonJS package exports, under its names. */
function commonJs(name) {
  const names = Object.keys(require(name)).filter((each) => each !== 'default');
  return [
    "import { loadPackage } from './package-loading.js';",
    `import own from './${COMMON_JS[name]}';`,
    `export const { ${names.join(', ')} } = loadPackage(own.load);`,
  ].join('\n');
}

function nameOf(path) {
  return `$${path.replace(/\.js$/, '').replace(/[^a-z0-9]+/gi, '_')}`;
}

/** @param home the folder of the file that is made */
function plugin(home) {
  return ({ onResolve, onLoad }) => {
    onResolve({ filter: new RegExp(`^(?:${CORE}|${BASE})$`) }, ({ path }) => ({ path, namespace: 'entry' }));
    onLoad({ filter: /.*/, namespace: 'entry' }, ({ path }) => ({ contents: entry(path), resolveDir: DIST }));
    // Loaded on first use, or CommonJS: stays a file of its own.
    onResolve({ filter: /^\./ }, ({ kind, path, resolveDir }) => {
      if (kind !== 'dynamic-import' && !path.endsWith('.cjs')) return undefined;
      const file = relative(home, resolve(resolveDir, path));
      return { path: file.startsWith('.') ? file : `./${file}`, external: true };
    });
    onResolve({ filter: new RegExp(`^(?:${Object.keys(COMMON_JS).join('|')})$`) }, ({ path }) => ({
      path,
      namespace: 'common-js',
    }));
    onLoad({ filter: /.*/, namespace: 'common-js' }, ({ path }) => ({
      contents: commonJs(path),
      resolveDir: DIST,
    }));
  };
}
