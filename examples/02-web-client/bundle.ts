/** Makes the page's script when the server starts. In your project this is the work of Vite, Next or the like. */
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

export const HTML = `<!doctype html>
<html lang="en">
  <meta charset="utf-8">
  <title>Reports</title>
  <style>
    body { font: 16px/1.5 system-ui, sans-serif; margin: 3rem auto; max-width: 36rem; padding: 0 1rem }
    progress { width: 100% }
    [data-state=FAILURE] { color: #b00020 }
  </style>
  <main></main>
  <script type="module" src="/page.js"></script>
</html>
`;

export async function bundledPage(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('page.js', import.meta.url))],
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    define: { 'process.env.NODE_ENV': '"production"' },
    logLevel: 'error',
  });
  return outputFiles[0]?.text ?? '';
}
