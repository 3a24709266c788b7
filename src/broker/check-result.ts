/**
 * The result of one check: a fact, its severity, and what to do about it. Engines check their servers; the doctor above
 * them checks everything else.
 */

/** `problem`: tasks are lost, late or refused. `warning`: they may be one day. */
export type Severity = 'ok' | 'warning' | 'problem';

export interface CheckResult {
  /** What was checked, in a word or two. */
  readonly check: string;
  readonly severity: Severity;
  /** The fact that was found. */
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
