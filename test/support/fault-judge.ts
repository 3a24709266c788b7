/** Judges a fault campaign by its ledger alone: every task ended once for its waiters, rightly, and ran as it may. */
import type { BodyLine, FaultOutcome, Ledger, OutcomeLine } from './fault-ledger.js';
import { EXHAUST_RETRIES, type FaultTask, POISON_DELIVERIES } from './fault-plan.js';

/** A task that was sent. */
export interface SentTask {
  readonly task: FaultTask;
  readonly id: string;
  /** Just before it was sent, epoch ms. */
  readonly sentAt: number;
}

/** What the judge knows beside the ledger. */
export interface Facts {
  readonly waiters: readonly string[];
  /** Processes that died by SIGKILL, or were out of the broker's reach for longer than a lock lasts. */
  readonly lost: ReadonlySet<number>;
  /** When the broker answered nobody for longer than a lock lasts. */
  readonly away: readonly Span[];
}

/** From when to when, epoch ms. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** What is wrong, one line each; nothing when all is well. */
export function faultsIn(sent: readonly SentTask[], ledger: Ledger, facts: Facts): string[] {
  return sent.flatMap((one) => {
    const said = facts.waiters.map((waiter) => ledger.outcomes.get(waiter)?.get(one.id) ?? []);
    const counted = said.flatMap((lines, i) =>
      lines.length === 1 ? [] : [`waiter ${facts.waiters[i]} heard of its end ${lines.length} times`],
    );
    const outcomes = said.flat();
    const endedAt = Math.min(...outcomes.map((line) => line.at));
    const started = ledger.started.get(one.task.key) ?? [];
    const finished = ledger.finished.get(one.task.key) ?? [];
    const wrong = [
      ...counted,
      ...outcomes.flatMap(({ waiter, outcome }) => {
        const ok = isRight(one.task, outcome);
        return ok ? [] : [`waiter ${waiter} got ${JSON.stringify(outcome)}`];
      }),
      ...(new Set(outcomes.map(({ outcome }) => JSON.stringify(outcome))).size > 1
        ? ['its waiters disagree']
        : []),
      ...started.filter((line) => line.at > endedAt).map(() => 'it began again after its end'),
      ...started
        .filter(({ id }) => id !== one.id)
        .map(({ id }) => `it ran as ${id}: its caller has sent it twice`),
      ...faultsOfRuns(one, { started, finished, outcome: outcomes[0]?.outcome, endedAt, facts }),
    ];
    const course = wrong.length === 0 ? [] : [courseOf(one, [...started, ...finished], outcomes)];
    return [...wrong, ...course].map((what) => `${one.task.key} (${one.id}): ${what}`);
  });
}

/** All that is known of a task, for people: when what happened where, ms after it was sent. */
function courseOf(
  { sentAt }: SentTask,
  bodies: readonly BodyLine[],
  outcomes: readonly OutcomeLine[],
): string {
  const lines = [
    ...bodies.map(({ at, what, pid, retries, deliveries }) => ({
      at,
      text: `${what} in ${pid} (retries ${retries}, delivery ${deliveries})`,
    })),
    ...outcomes.map(({ at, waiter }) => ({ at, text: `heard by ${waiter}` })),
  ];
  return lines
    .sort((a, b) => a.at - b.at)
    .map(({ at, text }) => `+${at - sentAt} ${text}`)
    .join('; ');
}

/** How often each way of ending came about, for people. */
export function tally(ledger: Ledger, waiter: string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const [line] of ledger.outcomes.get(waiter)?.values() ?? []) {
    if (line === undefined) continue;
    const { outcome } = line;
    const name = 'value' in outcome ? 'value' : (outcome.cause?.name ?? outcome.error);
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

interface Runs {
  readonly started: readonly BodyLine[];
  readonly finished: readonly BodyLine[];
  readonly outcome: FaultOutcome | undefined;
  /** When its first waiter heard of its end. */
  readonly endedAt: number;
  readonly facts: Facts;
}

function isRight(task: FaultTask, outcome: FaultOutcome): boolean {
  const value = (retries: number) => isEqual(outcome, { value: { key: task.key, retries } });
  const cause = 'cause' in outcome ? outcome.cause : undefined;
  switch (task.kind) {
    case 'plain':
    case 'delayed':
    case 'keyed':
      return value(0);
    case 'retry':
      return value(task.fails);
    case 'exhaust':
      return isEqual(cause, {
        name: 'FaultError',
        message: `failure ${EXHAUST_RETRIES} of ${task.key}`,
        code: 'AGAIN',
      });
    case 'endless':
      return cause?.name === 'TimeLimitExceeded' && cause.code === 'TIME_LIMIT';
    case 'broken':
      return isEqual(cause, { name: 'FaultError', message: `${task.key} is broken`, code: 'BROKEN' });
    case 'barred':
      return cause?.name === 'HostileError' && cause.code === 'BARRED';
    case 'once':
      return value(0) || isWorkerLost(outcome);
    case 'poison':
      return isWorkerLost(outcome);
  }
}

function isWorkerLost(outcome: FaultOutcome | undefined): boolean {
  return outcome !== undefined && 'cause' in outcome && outcome.cause?.code === 'WORKER_LOST';
}

function faultsOfRuns(
  { task, sentAt }: SentTask,
  { started, finished, outcome, endedAt, facts }: Runs,
): string[] {
  const faults: string[] = [];
  const expect = (ok: boolean, what: string) => ok || faults.push(what);
  const succeeded = outcome !== undefined && 'value' in outcome;
  if (succeeded) expect(finished.length >= 1, 'it succeeded, and its body never came to its end');
  switch (task.kind) {
    case 'once':
      expect(started.length <= 1, `acksLate: false, and it began ${started.length} times`);
      for (const { pid, at } of isWorkerLost(outcome) ? started : []) {
        const away = facts.away.some(({ from, to }) => at <= to && from <= endedAt);
        expect(away || facts.lost.has(pid), 'it was given up though its worker was not lost');
      }
      break;
    case 'barred':
      expect(started.length === 0, 'it began, past its middleware');
      break;
    case 'poison':
      expect(started.length <= POISON_DELIVERIES, `it killed ${started.length} workers`);
      break;
    default: {
      expect(started.length >= 1, 'it ended and never began');
      const attempts = task.kind === 'retry' ? task.fails : task.kind === 'exhaust' ? EXHAUST_RETRIES : 0;
      const made = [...new Set(started.map((line) => line.retries))];
      const wanted = Array.from({ length: attempts + 1 }, (_, i) => i);
      expect(isEqual(made, wanted), `its attempts were ${made}, not ${wanted}`);
    }
  }
  if (task.kind === 'delayed')
    expect(
      started.every((line) => line.at >= sentAt + task.countdownMs),
      'it began before it was due',
    );
  return faults;
}

function isEqual(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
