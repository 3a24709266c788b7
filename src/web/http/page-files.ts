/**
 * The files of the page, as they were built: read once, answered from memory. Those whose names contain a digest of their
 * content never change. The page learns where it is mounted from `<base href>`, and its
 * settings from a `<meta>`.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { SAFE_HEADERS } from './answers.js';

const TYPES: ReadonlyMap<string, string> = new Map([
  ['.html', 'text/html; charset=utf-8'],
  ['.js', 'text/javascript; charset=utf-8'],
  ['.css', 'text/css; charset=utf-8'],
  ['.svg', 'image/svg+xml'],
  ['.png', 'image/png'],
  ['.ico', 'image/x-icon'],
  ['.woff2', 'font/woff2'],
  ['.json', 'application/json'],
  ['.webmanifest', 'application/manifest+json'],
]);
/** As the build writes them: `app-QX3KZ2PA.js`. */
const HASHED = /-[A-Za-z0-9_]{8,}\.\w+$/;
/** Smaller ones fit into one packet anyway. */
const COMPRESSED_FROM = 1_000;
const BASE = /<base\s+href="[^"]*"\s*\/?>/;
const SETTINGS = /<meta\s+name="celeriac"[^>]*>/;
const UNBUILT = `<!doctype html><meta charset="utf-8"><title>celeriac</title>
<p>The page is not built here. Its API is at <a href="api/v1/overview">api/v1/overview</a>.`;

interface File {
  readonly body: Buffer;
  readonly type: string;
  readonly tag: string;
  /** Made when it is first asked for. */
  gzipped?: Buffer;
}

export class PageFiles {
  #files: Map<string, File> | undefined;

  /**
   * @param settings what the page learns before it asks for anything, as JSON can carry it
   * @param folder where the build put them
   */
  constructor(
    private readonly settings: object,
    private readonly folder = fileURLToPath(new URL('../page/', import.meta.url)),
  ) {}

  /**
   * The answer for a path below the mount, without its first slash; undefined for a file that is not there. What looks
   * like a place in the page, and not like a file, gets the page.
   * @param base where it is mounted, without a slash at its end
   */
  answer(path: string, base: string, request: Request): Response | undefined {
    this.#files ??= this.#read();
    const file = this.#files.get(path);
    if (file !== undefined && path !== 'index.html') return fileAnswer(file, request, HASHED.test(path));
    if (extname(path) !== '' && path !== 'index.html') return undefined;
    return this.#page(base, request);
  }

  #page(base: string, request: Request): Response {
    const text = this.#files?.get('index.html')?.body.toString('utf8') ?? UNBUILT;
    const own = `<base href="${escaped(`${base}/`)}">`;
    const settings = `<meta name="celeriac" content="${escaped(JSON.stringify(this.settings))}">`;
    const based = BASE.test(text) ? text.replace(BASE, () => own) : own + text;
    const html = based.replace(SETTINGS, () => settings);
    return fileAnswer(asFile(Buffer.from(html), '.html'), request, false);
  }

  #read(): Map<string, File> {
    const files = new Map<string, File>();
    let names: string[] = [];
    try {
      names = readdirSync(this.folder, { recursive: true, encoding: 'utf8' });
    } catch {
      // Not built, or bundled without it: the API works all the same.
    }
    for (const name of names) {
      const type = extname(name);
      if (TYPES.has(type))
        files.set(name.split(sep).join('/'), asFile(readFileSync(join(this.folder, name)), type));
    }
    return files;
  }
}

function asFile(body: Buffer, extension: string): File {
  const tag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
  return { body, type: TYPES.get(extension) ?? 'application/octet-stream', tag };
}

function fileAnswer(file: File, request: Request, forEver: boolean): Response {
  const headers = {
    ...SAFE_HEADERS,
    'content-type': file.type,
    'cache-control': forEver ? 'public, max-age=31536000, immutable' : 'no-cache',
    etag: file.tag,
    vary: 'accept-encoding',
  };
  if (request.headers.get('if-none-match') === file.tag) return new Response(null, { status: 304, headers });
  const text = /^(text\/|image\/svg|application\/(json|manifest))/.test(file.type);
  // Next takes the name of the coding away from what it passes on, and codes it itself.
  const zips = !('nextUrl' in request) && /\bgzip\b/.test(request.headers.get('accept-encoding') ?? '');
  if (!text || !zips || file.body.length < COMPRESSED_FROM)
    return new Response(new Uint8Array(file.body), { headers });
  file.gzipped ??= gzipSync(file.body);
  return new Response(new Uint8Array(file.gzipped), {
    headers: { ...headers, 'content-encoding': 'gzip' },
  });
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
