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

/** The names under which something was sent, or whose wait has timed out. */
export function sentNames(fields: ReadonlyMap<string, string>): string[] {
  return [...fields.keys()].filter((field) => field.startsWith('w:')).map((field) => field.slice(2));
}

/** Why no value may be sent under a name any more; undefined if one may. */
export type Closed =
  /** It is the name of something else. */
  | { readonly kind: 'step' | 'sleep' }
  /** Nothing was sent in time, and nobody has noted that yet. */
  | { readonly kind: 'late'; readonly until: number };

/** What stands against a value for this name, by the fields of the task. */
export function closedName(
  fields: ReadonlyMap<string, string>,
  name: string,
  now: number,
): Closed | undefined {
  const text = fields.get(stepField(name));
  const record = text === undefined ? undefined : (parsed(text) as StepRecord | undefined);
  if (record?.k === 'step' || record?.k === 'sleep') return { kind: record.k };
  if (record?.k !== 'wait') return undefined;
  if (record.u === undefined || record.u > now || fields.has(answerField(name))) return undefined;
  return { kind: 'late', until: record.u };
}

/** The steps in a task's fields, in the order in which they began. */
export function stepViews(fields: ReadonlyMap<string, string>, now: number): StepView[] {
  const views: StepView[] = [];
  for (const [field, text] of fields) {
    if (!field.startsWith('s:')) continue;
    const name = field.slice(2);
    const record = parsed(text) as StepRecord | undefined;
    if (typeof record?.s !== 'number') continue; // not written by celeriac
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
  const answer = parsed(text) as Partial<Record<'t' | 'd', number>> | undefined;
  // A value may be sent before the task waits for it.
  return new Date(Math.max(record.s, answer?.t ?? answer?.d ?? record.s));
}

/** Undefined for text that is no JSON object: any client of the broker can write fields. */
function parsed(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
