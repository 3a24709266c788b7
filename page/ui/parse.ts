/** JSON that people type. What is wrong is said in words, with the place. */

export function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${what}: this is no JSON. ${error instanceof Error ? error.message : ''}`.trim());
  }
}

export function parseArguments(text: string): unknown[] {
  const args = text.trim() === '' ? [] : parseJson(text, 'Arguments');
  if (!Array.isArray(args)) throw new Error('Arguments are a JSON list, such as ["42", { "fast": true }].');
  return args;
}

export function parseObject(text: string, what: string): Record<string, unknown> {
  const value = text.trim() === '' ? {} : parseJson(text, what);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error(`${what}: a JSON object is needed, such as {"queue": "reports"}.`);
  return value as Record<string, unknown>;
}
