/** The one decoder for what child processes answer. */
import type { Reading } from '../subjects/subject.js';

export interface Answer {
  readonly id: number;
  readonly error: string | undefined;
  readonly unsupported: boolean;
  readonly before: Reading | undefined;
  readonly after: Reading | undefined;
  readonly latenciesMs: readonly number[] | undefined;
  readonly importMs: number | undefined;
  readonly readyMs: number | undefined;
}

/** @throws when it is not an answer at all */
export function decodeAnswer(value: unknown): Answer {
  const fields = asRecord(value);
  const id = asNumber(fields?.id);
  if (fields === undefined || id === undefined) throw new Error(`not an answer: ${JSON.stringify(value)}`);
  return {
    id,
    error: typeof fields.error === 'string' ? fields.error : undefined,
    unsupported: fields.unsupported === true,
    before: decodeReading(fields.before),
    after: decodeReading(fields.after),
    latenciesMs: decodeNumbers(fields.latenciesMs),
    importMs: asNumber(fields.importMs),
    readyMs: asNumber(fields.readyMs),
  };
}

function decodeReading(value: unknown): Reading | undefined {
  const fields = asRecord(value);
  const atMs = asNumber(fields?.atMs);
  if (fields === undefined || atMs === undefined) return undefined;
  return {
    atMs,
    cpuMs: asNumber(fields.cpuMs),
    peakRssBytes: asNumber(fields.peakRssBytes),
    rssBytes: asNumber(fields.rssBytes),
  };
}

function decodeNumbers(value: unknown): number[] | undefined {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'number') : undefined;
}

function asNumber(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}

function asRecord(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null ? { ...value } : undefined;
}
