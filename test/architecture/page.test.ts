/** What the dashboard's files promise: small, whole, nothing from elsewhere, and text never taken for markup. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, extname, join } from 'node:path';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { SRC } from './source.js';

const ROOT = dirname(SRC);
const SOURCES = join(ROOT, 'page');
const BUILT = join(ROOT, 'dist/web/page');
const MOST_BYTES = 250_000;
const MOST_LINES = 400;

const sources = filesIn(SOURCES);
const built = filesIn(BUILT);

describe('the dashboard as it is built', () => {
  it('is less than 250 kB gzipped in all', () => {
    const sizes = built.map((path) => gzipSync(readFileSync(join(BUILT, path))).length);
    const all = sizes.reduce((sum, size) => sum + size, 0);
    assert(all < MOST_BYTES, `${all} bytes`);
  });

  it('is one HTML file, and assets that are named after their content', () => {
    assert.deepEqual(
      built.filter((path) => !/^assets\/[\w-]+-[A-Z0-9]{8}\.(?:js|css)$/.test(path)),
      ['index.html'],
    );
  });

  it('has the two lines that its server fills in, and loads its assets relative to the first', () => {
    const html = readFileSync(join(BUILT, 'index.html'), 'utf8');
    assert.match(html, /<base href="\/">/);
    assert.match(html, /<meta name="celeriac" content="{}">/);
    const loaded = [...html.matchAll(/(?:src|href)="(assets\/[^"]+)"/g)].map(([, path]) => path);
    assert.equal(loaded.length, 2);
    for (const path of loaded) assert(path !== undefined && built.includes(path), path);
    assert.doesNotMatch(html, /<script(?![^>]*\ssrc=)|<style|\son\w+=|style="/i);
  });

  it('loads nothing from elsewhere', () => {
    // Names of XML name spaces and addresses in messages are no requests.
    const known = /^https?:\/\/(?:www\.w3\.org\/|github\.com\/|fb\.me\/)/;
    for (const path of built) {
      const text = readFileSync(join(BUILT, path), 'utf8');
      const found = text.match(/https?:\/\/[\w.-]+[^\s"'`)]*/g) ?? [];
      assert.deepEqual(
        found.filter((address) => !known.test(address)),
        [],
        path,
      );
      assert.doesNotMatch(text, /@import|url\((?!["']?#)/, path);
    }
  });
});

describe('the dashboard as it is written', () => {
  it('never makes markup or code of text', () => {
    for (const path of sources.filter((each) => /\.tsx?$/.test(each))) {
      const text = readFileSync(join(SOURCES, path), 'utf8');
      assert.doesNotMatch(
        text,
        /dangerouslySetInnerHTML|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc/,
        path,
      );
    }
  });

  it('is files of one concept: kebab-case, with a header, under 400 lines', () => {
    for (const path of sources) {
      assert.match(path, /^[a-z0-9-]+(?:\/[a-z0-9-]+)*(?:\.d)?\.(?:tsx?|css|html|json)$/);
      const text = readFileSync(join(SOURCES, path), 'utf8');
      assert(text.split('\n').length <= MOST_LINES, path);
      if (['.ts', '.tsx', '.css'].includes(extname(path)))
        assert.match(text, /^\/\*/, `${path} has no header`);
    }
  });
});

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}
