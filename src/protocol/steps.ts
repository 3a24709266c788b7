/**
 * The stored steps of a task: text fields beside its job, each written once. Pure; documented in
 * `docs/internals/protocol.md`.
 */

/** A step, a sleep or a wait of a task, as readers see it. */
export interface StepView {
  readonly name: string;
  readonly kind: 'step' | 'sleep' | 'wait';
  readonly startedAt: Date;
  /** Undefined while it is not over. */
  readonly doneAt: Date | undefined;
}

/** The field of a step, sleep or wait. Moments are epoch ms of the broker's clock. */
export type StepRecord =
  | {
      readonly k: 'step';
      readonly s: number;
      readonly d: number;
      readonly v: unknown;
      /** How many chunks its function has emitted, and in which attempt. */
      readonly c?: number;
      readonly a?: number;
    }
  | { readonly k: 'sleep'; readonly s: number; readonly u: number }
  /** Without `u` there is no timeout. */
  | { readonly k: 'wait'; readonly s: number; readonly u?: number };

/** The field that ends a wait: a value that was sent, or the timeout. The first one stands. */
export type AnswerRecord = { readonly v: unknown; readonly d: number } | { readonly t: number };

/** The name of the field of a step. */
export function stepField(name: string): string {
  return `s:${name}`;
}

/** The name of the field that ends a wait. */
export function answerField(name: string): string {
  return `w:${name}`;
}

/** The steps in a task's fields, in the order in which they began. */
export function stepViews(fields: ReadonlyMap<string, string>, now: number): StepView[] {
  const views: StepView[] = [];
  for (const [field, text] of fields) {
    if (!field.startsWith('s:')) continue;
    const name = field.slice(2);
    const record = JSON.parse(text) as StepRecord;
    views.push({
      name,
      kind: record.k,
      startedAt: new Date(record.s),
      doneAt: doneAt(record, name, fields, now),
    });
  }
  return views.sort((a, b) => a.startedAt.getTime() - b.startedAt.getTime());
}

function doneAt(
  record: StepRecord,
  name: string,
  fields: ReadonlyMap<string, string>,
  now: number,
): Date | undefined {
  if (record.k === 'step') return new Date(record.d);
  if (record.k === 'sleep') return record.u <= now ? new Date(record.u) : undefined;
  const text = fields.get(answerField(name));
  if (text === undefined) return undefined;
  const answer = JSON.parse(text) as AnswerRecord;
  return new Date('t' in answer ? answer.t : answer.d);
}
