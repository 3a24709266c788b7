/**
 * What a check-up finds: one fact, how much it matters, and what to do about it. Engines look at their servers, the
 * doctor above them at everything else.
 */

/** `problem`: tasks are lost, late or refused. `warning`: they may be one day. */
export type Severity = 'ok' | 'warning' | 'problem';

export interface CheckResult {
  /** What was looked at, in a word or two. */
  readonly check: string;
  readonly severity: Severity;
  /** What it is like. */
  readonly found: string;
  /** What to do; absent when all is well. */
  readonly advice?: string;
}

export function ok(check: string, found: string): CheckResult {
  return { check, severity: 'ok', found };
}

export function warning(check: string, found: string, advice: string): CheckResult {
  return { check, severity: 'warning', found, advice };
}

export function problem(check: string, found: string, advice: string): CheckResult {
  return { check, severity: 'problem', found, advice };
}
