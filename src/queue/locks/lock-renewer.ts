/**
 * What the lock thread does at each look: renew the locks that have been held for a while, and report those that are
 * gone. Renewing may hang on a broker that does not answer; reporting never waits for it.
 */
import type { HeldLock } from '../../broker/lock-renewal.js';

/** Where the held locks are read. */
export interface HeldLocks {
  /** Every lock held now, by an identity that changes when its place in the table changes hands. */
  held(): Iterable<[identity: string, lock: HeldLock]>;
  /** How long the main loop has not turned, ms. */
  blockedForMs(): number;
}

/** What a {@link LockRenewer} works with. */
export interface LockRenewerParams {
  readonly table: HeldLocks;
  readonly lockDurationMs: number;
  readonly blockedLoopTimeoutMs: number;
  /** Makes locks of one queue last for their whole length again; gives the ids of jobs whose lock is no longer ours. */
  extend(queue: string, locks: readonly HeldLock[]): Promise<readonly string[]>;
  /** These locks are no longer ours. Said once of each. */
  onLost(locks: readonly HeldLock[]): void;
  /** A clock that nobody sets, ms. */
  now(): number;
}

/** A lock that was seen, and until when it is surely ours. */
interface RenewalLook {
  readonly lock: HeldLock;
  keptUntil: number;
  lost: boolean;
}

export class LockRenewer {
  /** Locks seen at the last look. */
  #seen = new Map<string, RenewalLook>();
  #lookedAt: number;

  constructor(private readonly params: LockRenewerParams) {
    this.#lookedAt = params.now();
  }

  /** Renews what was held at the last look already, so that short tasks cost nothing. Never rejects. */
  async renew(): Promise<void> {
    const { table, blockedLoopTimeoutMs, lockDurationMs, now } = this.params;
    const lookedAt = now();
    const seen = new Map<string, RenewalLook>();
    const due = new Map<string, RenewalLook[]>();
    for (const [identity, lock] of table.held()) {
      const before = this.#seen.get(identity);
      // A new one was taken after the last look at the earliest.
      seen.set(identity, before ?? { lock, keptUntil: this.#lookedAt + lockDurationMs, lost: false });
      if (before !== undefined && !before.lost) due.set(lock.queue, [...(due.get(lock.queue) ?? []), before]);
    }
    this.#seen = seen;
    this.#lookedAt = lookedAt;
    // A loop that is stuck for good must not hold its tasks for good.
    if (table.blockedForMs() > blockedLoopTimeoutMs) return;
    await Promise.all([...due].map(([queue, locks]) => this.#extend(queue, locks)));
  }

  /** Reports locks that were not renewed for their whole length: another worker may hold them by now. */
  reportExpired(): void {
    const now = this.params.now();
    this.#report([...this.#seen.values()].filter(({ keptUntil }) => keptUntil < now));
  }

  async #extend(queue: string, seen: readonly RenewalLook[]): Promise<void> {
    // The broker counts from when it extends them, which is no earlier than now and may be long before its answer.
    const keptUntil = this.params.now() + this.params.lockDurationMs;
    const locks = seen.map(({ lock }) => lock);
    // Out of reach: what is not renewed in time is reported when it has expired.
    const answer = await this.params.extend(queue, locks).catch(() => undefined);
    if (answer === undefined) return;
    const lost = new Set(answer);
    for (const entry of seen)
      if (!lost.has(entry.lock.jobId)) entry.keptUntil = Math.max(entry.keptUntil, keptUntil);
    this.#report(seen.filter(({ lock }) => lost.has(lock.jobId)));
  }

  #report(entries: readonly RenewalLook[]): void {
    const news = entries.filter(({ lost }) => !lost);
    for (const entry of news) entry.lost = true;
    if (news.length > 0) this.params.onLost(news.map(({ lock }) => lock));
  }
}
