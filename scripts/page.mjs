/**
 * Builds the dashboard: `page/` to `dist/web/page/`, an index.html and its assets, whose names change with their content.
 * Nothing of it is loaded from elsewhere. What serves it replaces two lines of index.html: `<base>` and the settings.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const OUT = join(ROOT, 'dist/web/page');

rmSync(OUT, { recursive: true, force: true });
const { metafile } = await build({
  absWorkingDir: ROOT,
  entryPoints: ['page/main.tsx'],
  outdir: OUT,
  entryNames: 'assets/[name]-[hash]',
  chunkNames: 'assets/[name]-[hash]',
  bundle: true,
  splitting: true,
  minify: true,
  format: 'esm',
  target: ['chrome111', 'firefox113', 'safari16.4'],
  tsconfig: 'page/tsconfig.json',
  legalComments: 'none',
  metafile: true,
  logLevel: 'warning',
});

const made = Object.entries(metafile.outputs).find(([, { entryPoint }]) => entryPoint === 'page/main.tsx');
if (made === undefined) throw new Error('esbuild has made nothing of page/main.tsx');
const [script, { cssBundle }] = made;
const tags = [
  `<link rel="stylesheet" href="${address(cssBundle)}">`,
  `<script type="module" src="${address(script)}"></script>`,
];
const html = readFileSync(join(ROOT, 'page/index.html'), 'utf8');
writeFileSync(join(OUT, 'index.html'), html.replace('<!-- assets -->', tags.join('\n    ')));

/** Relative, so that it follows `<base>`. */
function address(path) {
  return relative(OUT, join(ROOT, path));
}
