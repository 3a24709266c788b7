/**
 * The rounds of the lock thread: renews the locks that have been held for a while, and reports lost ones. A renewal may
 * hang on a silent broker; reporting must never wait for it.
 */
import type { HeldLock } from '../../broker/lock-renewal.js';

/** Reads the held locks. */
export interface HeldLocks {
  /** All locks held now, with an identity that changes when another lock takes over the table entry. */
  held(): Iterable<[identity: string, lock: HeldLock]>;
  /** How long the main loop has been blocked, ms. */
  blockedForMs(): number;
}

/** The settings and collaborators of a {@link LockRenewer}. */
export interface LockRenewerParams {
  readonly table: HeldLocks;
  readonly lockDurationMs: number;
  readonly blockedLoopTimeoutMs: number;
  /** Extends locks of one queue to their full duration. @returns the ids of jobs whose lock is no longer ours */
  extend(queue: string, locks: readonly HeldLock[]): Promise<readonly string[]>;
  /** Called once for each lost lock. */
  onLost(locks: readonly HeldLock[]): void;
  /** A steady clock, ms. */
  now(): number;
}

/** A lock, and until when it is surely ours. */
interface RenewalLook {
  readonly lock: HeldLock;
  keptUntil: number;
  lost: boolean;
}

/** Renews locks and reports lost ones. */
export class LockRenewer {
  /** The locks held in the last round. */
  #seen = new Map<string, RenewalLook>();
  #lookedAt: number;

  constructor(private readonly params: LockRenewerParams) {
    this.#lookedAt = params.now();
  }

  /** Renews the locks that were held in the last round already, so that short tasks cost nothing. Never rejects. */
  async renew(): Promise<void> {
    const { table, blockedLoopTimeoutMs, lockDurationMs, now } = this.params;
    const lookedAt = now();
    const seen = new Map<string, RenewalLook>();
    const due = new Map<string, RenewalLook[]>();
    for (const [identity, lock] of table.held()) {
      const before = this.#seen.get(identity);
      // A new lock was taken after the last round at the earliest.
      seen.set(identity, before ?? { lock, keptUntil: this.#lookedAt + lockDurationMs, lost: false });
      if (before !== undefined && !before.lost) due.set(lock.queue, [...(due.get(lock.queue) ?? []), before]);
    }
    this.#seen = seen;
    this.#lookedAt = lookedAt;
    // A main loop that is stuck for ever must not keep its tasks for ever.
    if (table.blockedForMs() > blockedLoopTimeoutMs) return;
    await Promise.all([...due].map(([queue, locks]) => this.#extend(queue, locks)));
  }

  /** Reports locks that were not renewed for their full duration: another worker may hold them by now. */
  reportExpired(): void {
    const now = this.params.now();
    this.#report([...this.#seen.values()].filter(({ keptUntil }) => keptUntil < now));
  }

  async #extend(queue: string, seen: readonly RenewalLook[]): Promise<void> {
    // The broker counts from the extension, which is no earlier than now and may be long before its answer arrives.
    const keptUntil = this.params.now() + this.params.lockDurationMs;
    const locks = seen.map(({ lock }) => lock);
    // The broker is unreachable: locks that are not renewed in time are reported when they expire.
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
