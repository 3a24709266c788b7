/** The body of a request: a JSON object of at most 4 MB, or nothing. */
import { Refusal } from './refusal.js';

const MOST_BYTES = 4 * 2 ** 20;

/**
 * Reads it. A request without a body has an empty one.
 * @throws {Refusal} for another kind of content, for one that is too large, and for what is no JSON object
 */
export async function readBody(request: Request): Promise<Record<string, unknown>> {
  const bytes = request.body === null ? undefined : await bytesOf(request.body);
  const type = request.headers.get('content-type');
  if (bytes === undefined || (bytes.length === 0 && type === null)) return {};
  if (!/^application\/json\s*(;|$)/i.test(type ?? ''))
    throw new Refusal(415, 'UNSUPPORTED_TYPE', 'Send the body as application/json.');
  if (bytes.length === 0) return {};
  const value = parsed(bytes);
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new Refusal(400, 'BAD_BODY', 'The body is no JSON object.');
}

async function bytesOf(body: ReadableStream<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return Buffer.concat(chunks);
    size += value.byteLength;
    if (size > MOST_BYTES) {
      await reader.cancel();
      throw new Refusal(413, 'BODY_TOO_LARGE', `A body has at most ${MOST_BYTES / 2 ** 20} MB.`);
    }
    chunks.push(value);
  }
}

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}
