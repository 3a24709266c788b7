/**
 * Makes one file, `dist/core.js`, of all modules that `import 'celeriac'` loads, and of each of them a few lines that give
 * out what it did. Node spends most of a millisecond on every module it loads, and there are two hundred (ADR 0016). Paths,
 * types and what is loaded on first use stay as tsc left them, and there is one copy of everything.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const DIST = resolve(dirname(fileURLToPath(import.meta.url)), '../dist');
const CORE = 'core.js';
/** What renews locks. */
const THREAD = 'broker/lock-thread.js';
/** CommonJS inside: `require` spares Node the search for the names they export, a third of what loading them takes. */
const COMMON_JS = ['bullmq', 'ioredis'];
/** Where a module's code, and not its texts, asks for it. */
const OWN_URL = /(?<=\(|, )import\.meta\.url(?=\))/;

const modules = closureOf('index.js');
const exported = new Map();
for (const path of modules)
  exported.set(path, Object.keys(await import(pathToFileURL(join(DIST, path)).href)));

await bundle(CORE, { stdin: { contents: entry(), resolveDir: DIST, sourcefile: CORE } });
// The thread needs little of it, and has a copy of its own: it shares nothing but memory with the others anyway.
await bundle(THREAD, { entryPoints: [join(DIST, THREAD)] });
for (const path of modules) writeStub(path);

function bundle(path, what) {
  return build({
    ...what,
    outfile: join(DIST, path),
    allowOverwrite: true,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    sourcemap: true,
    sourcesContent: false,
    logLevel: 'warning',
    banner: {
      js: "import { createRequire as requireFrom } from 'node:module';\nconst require = requireFrom(import.meta.url);",
    },
    plugins: [{ name: 'celeriac', setup: plugin(dirname(join(DIST, path))) }],
  });
}

/** Every module that `path` imports, and they import, before anything runs; relative to `dist`. */
function closureOf(path, found = new Set()) {
  if (found.has(path)) return found;
  found.add(path);
  const text = readFileSync(join(DIST, path), 'utf8');
  for (const [, target] of text.matchAll(/^(?:import|export)\b[^'";]*?['"](\.[^'"]+)['"]/gm))
    closureOf(join(dirname(path), target), found);
  return found;
}

/** All of each module under a name of its own. */
function entry() {
  const lines = [...modules].map((path) => `export * as ${nameOf(path)} from './${path}';`);
  return ["export * from './index.js';", ...lines].join('\n');
}

function writeStub(path) {
  const core = relative(dirname(path), CORE);
  const from = core.startsWith('.') ? core : `./${core}`;
  const names = exported.get(path);
  const text =
    path === 'index.js'
      ? `export { ${names.join(', ')} } from '${from}';\n`
      : `import { ${nameOf(path)} as all } from '${from}';\nexport const { ${names.join(', ')} } = all;\n`;
  writeFileSync(join(DIST, path), text);
  rmSync(join(DIST, `${path}.map`), { force: true });
}

function nameOf(path) {
  return `$${path.replace(/\.js$/, '').replace(/[^a-z0-9]+/gi, '_')}`;
}

/** @param home the folder of the file that is made */
function plugin(home) {
  return ({ onResolve, onLoad }) => {
    // Loaded on first use: stays a file of its own.
    onResolve({ filter: /^\./ }, ({ kind, path, resolveDir }) =>
      kind === 'dynamic-import'
        ? { path: `./${relative(home, resolve(resolveDir, path))}`, external: true }
        : undefined,
    );
    onResolve({ filter: new RegExp(`^(?:${COMMON_JS.join('|')})$`) }, ({ path, kind }) =>
      kind === 'require-call' ? { path, external: true } : { path, namespace: 'common-js' },
    );
    onLoad({ filter: /.*/, namespace: 'common-js' }, ({ path }) => ({
      contents: `module.exports = require('${path}');`,
    }));
    // Files beside a module are found from where it would be.
    onLoad({ filter: /\.js$/, namespace: 'file' }, ({ path }) => {
      const text = readFileSync(path, 'utf8');
      if (!OWN_URL.test(text)) return undefined;
      const own = `new URL('./${relative(home, path)}', import.meta.url).href`;
      return { contents: text.replace(OWN_URL, own) };
    });
  };
}
