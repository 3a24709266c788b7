/** The answering side of `json-child.ts` for Node: requests come in on stdin, answers go out on stdout. */
import { createInterface } from 'node:readline';

/** The fields of a request besides its id and name. */
export type Request = Readonly<Record<string, unknown>>;
export type Handlers = Readonly<Record<string, (request: Request) => Promise<object>>>;

/** Answers until stdin ends, which is how the benchmark's own death ends its children. */
export function serve(handlers: Handlers): void {
  createInterface({ input: process.stdin })
    .on('line', (line) => void answer(handlers, line))
    .on('close', () => process.exit(0));
}

async function answer(handlers: Handlers, line: string): Promise<void> {
  const request = decodeRequest(JSON.parse(line));
  const reply = await run(handlers, request);
  process.stdout.write(`${JSON.stringify({ id: request.id, ...reply })}\n`);
}

async function run(handlers: Handlers, request: Request): Promise<object> {
  try {
    const handler = handlers[String(request.request)];
    if (handler === undefined) throw new Error(`no request "${String(request.request)}"`);
    return await handler(request);
  } catch (error) {
    return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

/** A number the request must have. */
export function numberOf(request: Request, field: string): number {
  const value = request[field];
  if (typeof value !== 'number') throw new Error(`request without the number "${field}"`);
  return value;
}

function decodeRequest(value: unknown): Request {
  if (typeof value !== 'object' || value === null) throw new Error(`not a request: ${JSON.stringify(value)}`);
  return { ...value };
}
