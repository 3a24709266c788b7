/**
 * A worker's part in the fleet's schedules: declares the schedules in its code, keeps the declarations alive, and
 * ticks what is due. Every worker runs one, and none is in charge. The worker that ticked an entry last goes first;
 * the others check a little later, so a dead worker delays a tick by no more than that.
 */
import { createHash } from 'node:crypto';
import { type Row, ScheduleStore } from '../coordination/schedule-store.js';
import { ScheduleView } from '../coordination/schedule-view.js';
import { OptionError } from '../errors.js';
import { after, type Cancel } from '../timers.js';
import {
  contentOf,
  declareEntry,
  isAbandoned,
  isOutlived,
  type Spec,
  type StoredEntry,
  setsOf,
  settleEntry,
} from './entry.js';
import { ScheduledCalls, type ScheduleHost } from './scheduled-calls.js';
import { Ticker } from './ticker.js';

/** How long declarations outlive a killed worker, ms. */
const LEASE_MS = 15_000;
/**
 * How long they outlive an orderly stop, ms: other workers with the same set are notified to renew it. If they miss
 * the notice, their next look restores the entries, and ticks due meanwhile are made up for.
 */
const LAST_LEASE_MS = 3_000;
/** How often to read the entries, in case a notice was lost, ms. */
const LOOK_MS = 5_000;
/** The same, without any schedules. */
const IDLE_LOOK_MS = 10_000;
/** How much later the other workers check an entry, and by how much they spread, ms. */
const BACKUP_MS = 150;
const SPREAD_MS = 100;
/** Changes within this time are read together, ms. */
const TOGETHER_MS = 20;
/** Pause after an error, also during an outage, ms. */
const AGAIN_MS = 1_000;

export class Scheduler {
  readonly #store: ScheduleStore<StoredEntry>;
  readonly #calls: ScheduledCalls;
  readonly #ticker: Ticker;
  readonly #backupMs = BACKUP_MS + Math.random() * SPREAD_MS;
  readonly #view: ScheduleView<StoredEntry>;
  #revision = -1;
  /** The sets that were alive at the last look, and the sets it asked about. */
  #alive: ReadonlySet<string> = new Set();
  #asked: ReadonlySet<string> = new Set();
  /** Name of this worker's own set, if it declares anything. */
  #set: string | undefined;
  /** Entries last ticked by another worker. */
  readonly #backups = new Set<string>();
  /** Entries being ticked, and entries to leave alone until a moment. */
  readonly #ticking = new Set<string>();
  readonly #restUntil = new Map<string, number>();
  /** Since when this worker sees every due tick: from the first look, and again after each outage. */
  #watchedSince = Number.POSITIVE_INFINITY;
  #lookAt = 0;
  #lookAgain = false;
  #looking: Promise<void> | undefined;
  #reading: Promise<unknown> = Promise.resolve();
  /** When to read some entries again, changed or not. */
  #rereadAt = 0;
  #cancelTimer: Cancel = () => undefined;
  #unlisten: () => void = () => undefined;
  #stopped = false;
  #stopping: Promise<void> | undefined;
  readonly #underWay = new Set<Promise<void>>();

  constructor(private readonly host: ScheduleHost) {
    this.#store = new ScheduleStore(host.engine);
    this.#view = new ScheduleView(this.#store);
    this.#calls = new ScheduledCalls(host);
    this.#ticker = new Ticker(host, this.#store, this.#calls);
  }

  /**
   * Declares its schedules and begins to tick.
   * @throws {InvalidArgumentsError} for a declared task that requires arguments
   */
  async start(): Promise<void> {
    const { registry } = this.host;
    this.#stopped = false;
    this.#stopping = undefined;
    await this.#declare();
    if (this.#stopped) return;
    const unlisten = this.#store.listen(() => this.#inBackground(this.#look()));
    const unwatch = registry.onAdded((task) => {
      if (task.schedules.length > 0) this.#inBackground(this.#declare().then(() => this.#look()));
    });
    this.#unlisten = () => {
      unlisten();
      unwatch();
    };
    await this.#look();
  }

  /** Stops ticking; ticks being sent are finished. Never rejects; may be called twice. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelTimer();
    this.#unlisten();
    await Promise.all(this.#underWay);
    if (this.#set === undefined) return;
    try {
      await this.#store.keepAlive(this.#set, this.host.clock.now() + LAST_LEASE_MS, LAST_LEASE_MS);
      this.#store.notify();
    } catch {
      // The broker is unavailable: the lease expires by itself.
    }
  }

  async #declare(): Promise<void> {
    const { clock, registry } = this.host;
    const specs = new Map<string, Spec>();
    for (const task of registry.all())
      for (const declared of task.schedules) {
        const { name } = declared;
        const other = specs.get(name)?.task;
        if (other !== undefined)
          throw new OptionError(
            `Tasks "${other}" and "${task.name}" both declare a schedule called "${name}".`,
          );
        specs.set(name, await this.#calls.declared(task, declared));
      }
    if (specs.size === 0) return;
    await clock.sync();
    this.#set = nameOf(specs);
    await this.#store.keepAlive(this.#set, clock.now() + LEASE_MS, LEASE_MS);
    await this.#read();
    for (const [name, spec] of specs) await this.#declareOne(name, spec, this.#set);
  }

  async #declareOne(name: string, spec: Spec, set: string): Promise<void> {
    const { clock, logger } = this.host;
    const change = (old: StoredEntry | undefined) =>
      declareEntry(old, set, {
        spec,
        alive: this.#alive,
        now: clock.now(),
        own: this.#calls.ownNext(name, spec),
      });
    const known = this.#view.rows.get(name)?.value;
    if (known?.declared === undefined && known !== undefined)
      logger().warn({ schedule: name }, `schedule ${name} was set by a call, which outranks its declaration`);
    else if (change(known) !== undefined) await this.#store.update(name, change);
  }

  /** Reads what other workers changed; one look at a time. */
  #look(): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    // A notice during a look may be too late for it, so one more look follows for all of them.
    if (this.#looking !== undefined) this.#lookAgain = true;
    this.#looking ??= this.#lookOnce().finally(() => {
      this.#looking = undefined;
      if (this.#lookAgain) this.#lookAt = this.host.clock.now() + TOGETHER_MS;
      this.#lookAgain = false;
      this.#arm();
    });
    return this.#looking;
  }

  async #lookOnce(): Promise<void> {
    const { clock } = this.host;
    this.#lookAt = clock.now() + AGAIN_MS;
    try {
      await clock.sync();
      if (await this.#read()) await this.#declare();
      await this.#settle();
      const idle = this.#view.rows.size === 0 && this.#set === undefined;
      this.#watchedSince = Math.min(this.#watchedSince, clock.now());
      this.#lookAt = clock.now() + (idle ? IDLE_LOOK_MS : LOOK_MS);
    } catch (error) {
      this.#onError(error);
    }
  }

  /**
   * Reads changed entries and live sets, and renews this worker's own set.
   * @returns true if the broker has lost this worker's declarations: it lost its data, or no worker of the set
   *   renewed it for a whole lease
   */
  #read(): Promise<boolean> {
    // One at a time, so that the latest read counts.
    const reading = this.#reading.then(() => this.#readOnce());
    // The caller gets the error.
    this.#reading = reading.catch(() => undefined);
    return reading;
  }

  async #readOnce(): Promise<boolean> {
    let outlook = await this.#store.look(this.#sets());
    const forgotten =
      this.#set !== undefined && (outlook.revision < this.#revision || !outlook.aliveUntil.has(this.#set));
    if (forgotten || outlook.revision < this.#revision) {
      this.#view.clear();
      this.#revision = -1;
    }
    if (outlook.revision !== this.#revision) {
      await this.#view.catchUp(outlook.head);
      this.#forgetRemoved();
      this.#revision = outlook.revision;
      outlook = await this.#store.look(this.#sets());
    }
    if (this.host.clock.now() >= this.#rereadAt) {
      this.#rereadAt = this.host.clock.now() + LOOK_MS;
      await this.#view.readSome();
    }
    this.#asked = new Set(this.#sets());
    const alive = new Set(outlook.aliveUntil.keys());
    if (this.#set !== undefined && !this.#stopped) {
      const now = this.host.clock.now();
      const leftMs = (outlook.aliveUntil.get(this.#set) ?? 0) - now;
      if (leftMs < LEASE_MS - LOOK_MS) await this.#store.keepAlive(this.#set, now + LEASE_MS, LEASE_MS);
      alive.add(this.#set);
    }
    this.#alive = alive;
    return forgotten;
  }

  /** Entries come and go, perhaps one per customer: forget removed ones. */
  #forgetRemoved(): void {
    for (const known of [this.#backups, this.#restUntil])
      for (const name of known.keys()) if (!this.#view.rows.has(name)) known.delete(name);
  }

  #sets(): string[] {
    const sets = setsOf([...this.#view.rows.values()].map(({ value }) => value));
    return [...new Set(this.#set === undefined ? sets : [...sets, this.#set])];
  }

  /** Puts the declarations in force that should be by now. */
  async #settle(): Promise<void> {
    const now = this.host.clock.now();
    for (const [name, { value }] of this.#view.rows) {
      if (value.declared === undefined) continue;
      if (isAbandoned(value, this.#alive) && isOutlived(value, now)) await this.#store.remove(name);
      else if (settleEntry(value, this.#alive, now) !== undefined) {
        await this.#store.update(name, (entry) => {
          // A set that came meanwhile was not asked about; the look after its notice will do so.
          const unknown = entry === undefined || setsOf([entry]).some((set) => !this.#asked.has(set));
          return unknown ? undefined : settleEntry(entry, this.#alive, now);
        });
      }
    }
  }

  /** Sets the timer for what comes next. */
  #arm(): void {
    this.#cancelTimer();
    if (this.#stopped) return;
    let at = this.#lookAt;
    for (const [name, { value }] of this.#view.rows) at = Math.min(at, this.#turnOf(name, value));
    this.#cancelTimer = after(Math.max(0, Math.ceil(at - this.host.clock.now())), () => this.#wake());
  }

  #wake(): void {
    const now = this.host.clock.now();
    const due = [...this.#view.rows].filter(([name, { value }]) => this.#turnOf(name, value) <= now);
    if (due.length > 0) this.#inBackground(this.#tickAll(due.map(([name]) => name)));
    if (this.#lookAt <= now) this.#inBackground(this.#look());
    else this.#arm();
  }

  /** When it is this worker's turn to tick an entry, epoch ms. */
  #turnOf(name: string, entry: StoredEntry): number {
    const mine = this.#calls.canTick(name, entry.spec);
    const wanted = mine && (entry.pending !== undefined || !isAbandoned(entry, this.#alive));
    const dueAt = wanted && !this.#ticking.has(name) ? this.#ticker.dueAt(entry) : undefined;
    if (dueAt === undefined) return Number.POSITIVE_INFINITY;
    const turn = dueAt + (this.#backups.has(name) ? this.#backupMs : 0);
    return Math.max(turn, this.#restUntil.get(name) ?? 0);
  }

  async #tickAll(names: readonly string[]): Promise<void> {
    for (const name of names) this.#ticking.add(name);
    try {
      const rows = await this.#store.read(names);
      await Promise.all(names.map((name) => this.#tickOne(name, rows.get(name))));
    } catch (error) {
      for (const name of names) this.#rest(name, error);
    } finally {
      for (const name of names) this.#ticking.delete(name);
      this.#arm();
    }
  }

  async #tickOne(name: string, known: Row<StoredEntry> | undefined): Promise<void> {
    try {
      const wanted = known !== undefined && !isAbandoned(known.value, this.#alive);
      const { row, overtaken } = await this.#ticker.tick(
        name,
        known,
        wanted ? this.#watchedSince : undefined,
      );
      if (overtaken) this.#backups.add(name);
      else this.#backups.delete(name);
      this.#restUntil.delete(name);
      if (row === undefined) this.#view.rows.delete(name);
      else this.#view.rows.set(name, row);
    } catch (error) {
      this.#rest(name, error);
    }
  }

  #rest(name: string, error: unknown): void {
    this.#restUntil.set(name, this.host.clock.now() + AGAIN_MS);
    this.#onError(error);
  }

  #inBackground(work: Promise<void>): void {
    const ended = work
      .catch((error: unknown) => this.#onError(error))
      .finally(() => this.#underWay.delete(ended));
    this.#underWay.add(ended);
  }

  /** The engine reports outages; other errors are logged here. */
  #onError(error: unknown): void {
    const away = this.host.engine.isUnavailable(error);
    if (away) this.#watchedSince = Number.POSITIVE_INFINITY;
    if (this.#stopped || away) return;
    this.host.logger().error({ error }, 'scheduler error; retrying');
  }
}

/** Names a set by its content: equal declarations are one set, on any worker. */
function nameOf(specs: ReadonlyMap<string, Spec>): string {
  const texts = [...specs].map(([name, spec]) => [name, contentOf(spec)]).sort();
  return createHash('sha256').update(JSON.stringify(texts)).digest('hex').slice(0, 16);
}
