/** Answers to requests, with the headers that keep a page from others. */
import { plainValue } from '../../protocol/plain-value.js';
import type { ApiError } from '../api.js';
import type { Refusal } from './refusal.js';

/** Nothing is loaded from elsewhere, nothing runs that is not in a file of ours, and no other page may frame it. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "font-src 'self'",
  "base-uri 'self'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Headers of every answer. */
export const SAFE_HEADERS = {
  'content-security-policy': POLICY,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
};

const NONE = Object.freeze({});

/** A value as JSON. What JSON cannot carry is left out or named, never thrown. */
export function jsonAnswer(value: unknown, status = 200, headers: object = NONE) {
  return new Response(JSON.stringify(value, plainValue), {
    status,
    headers: {
      ...SAFE_HEADERS,
      'content-type': 'application/json',
      'cache-control': 'no-store',
      ...headers,
    },
  });
}

/** The answer to a refused request. */
export function refused({ status, reason, message, headers }: Refusal): Response {
  const body: ApiError = { code: reason, message };
  return jsonAnswer(body, status, headers);
}
