/** What a page pays for following tasks. */
import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const DIST = dirname(fileURLToPath(import.meta.resolve('celeriac/client')));

describe('what browsers load', () => {
  for (const [entry, rooms] of [
    ['client', ['client']],
    ['react', ['client', 'react']],
  ] as const)
    it(`is at most 3 kB of celeriac/${entry}, and nothing of the rest of the package`, async () => {
      const { outputFiles, metafile } = await build({
        entryPoints: [join(DIST, `${entry}.js`)],
        bundle: true,
        minify: true,
        write: false,
        metafile: true,
        format: 'esm',
        target: ['chrome110', 'firefox115', 'safari16.4'],
        platform: 'browser',
        external: ['react'],
        absWorkingDir: DIST,
        logLevel: 'error',
      });
      const size = gzipSync(outputFiles[0]?.contents ?? '').length;
      assert(size > 500 && size <= 3 * 1024, `${size} bytes`);
      const own = Object.keys(metafile.inputs).map((path) => path.split('/')[0]?.replace('.js', ''));
      assert.deepEqual([...new Set(own)].sort(), [...rooms]);
    });
});
