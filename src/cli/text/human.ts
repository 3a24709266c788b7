/**
 * Durations, moments and values as people read them. Pure.
 */

/** `1h 4m`, `3.2s`, `250ms`: for people, two units at most. */
export function humanDuration(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))}ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)}s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes}m ${Math.floor((ms % 60_000) / 1000)}s`;
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? `${hours}h ${minutes % 60}m` : `${Math.floor(hours / 24)}d ${hours % 24}h`;
}

/**
 * A moment in a table, ISO 8601.
 * @param short to the second, to save room in a terminal
 */
export function momentText(at: Date | undefined, short: boolean): string {
  const text = at?.toISOString() ?? '';
  return short ? text.replace(/\.\d+Z$/, 'Z') : text;
}

/** A value on one line; plain text without quotes. */
export function oneLine(value: unknown): string {
  if (value === undefined) return '';
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value));
}
