/**
 * A worker's part in the fleet's schedules: declares what its code declares, keeps that alive, and ticks what is due.
 * Every worker runs one, and none is in charge: who ticked an entry last goes first, the others look a little later
 * whether that was done, so a worker that dies costs a tick no more than that.
 */
import { createHash } from 'node:crypto';
import { type Row, ScheduleStore } from '../coordination/schedule-store.js';
import { ScheduleView } from '../coordination/schedule-view.js';
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

/** How long what a killed worker declared outlives it. */
const LEASE_MS = 15_000;
/**
 * After an orderly stop the others of its kind are told to say that they live. Should they not hear it, their next look
 * brings the entries back, and what was due meanwhile is made up for.
 */
const LAST_LEASE_MS = 3_000;
/** Between looks at what others changed, should a notice be lost. */
const LOOK_MS = 5_000;
/** The same where nothing is scheduled. */
const IDLE_LOOK_MS = 10_000;
/** How much later those look who did not tick an entry last, and how far apart they are. */
const BACKUP_MS = 150;
const SPREAD_MS = 100;
/** Changes that come this close together are looked at together. */
const TOGETHER_MS = 20;
/** After an error, an outage included. */
const AGAIN_MS = 1_000;

export class Scheduler {
  readonly #store: ScheduleStore<StoredEntry>;
  readonly #calls: ScheduledCalls;
  readonly #ticker: Ticker;
  readonly #backupMs = BACKUP_MS + Math.random() * SPREAD_MS;
  readonly #view: ScheduleView<StoredEntry>;
  #revision = -1;
  /** The sets of declarations that were alive at the last look, and those that were asked about. */
  #alive: ReadonlySet<string> = new Set();
  #asked: ReadonlySet<string> = new Set();
  /** What this worker's own set is called, if it declares anything. */
  #set: string | undefined;
  /** Entries that another worker ticked last. */
  readonly #backups = new Set<string>();
  /** Entries that are being ticked, and those to be left alone until then. */
  readonly #ticking = new Set<string>();
  readonly #restUntil = new Map<string, number>();
  /** Since when every tick that comes due is seen: from the first look on, and anew after each outage. */
  #watchedSince = Number.POSITIVE_INFINITY;
  #lookAt = 0;
  #lookAgain = false;
  #looking: Promise<void> | undefined;
  #reading: Promise<unknown> = Promise.resolve();
  /** When some entries are read anew, changed or not. */
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
   * Declares, and begins to tick.
   * @throws {InvalidArgumentsError} for a declared task that cannot be called without arguments
   */
  async start(): Promise<void> {
    const { registry } = this.host;
    this.#stopped = false;
    this.#stopping = undefined;
    await this.#declare();
    if (this.#stopped) return;
    const unlisten = this.#store.listen(() => this.#inBackground(this.#look()));
    const unwatch = registry.onAdded((task) => {
      if (task.schedule !== undefined) this.#inBackground(this.#declare().then(() => this.#look()));
    });
    this.#unlisten = () => {
      unlisten();
      unwatch();
    };
    await this.#look();
  }

  /** Ticks no more; what is being sent gets there first. Never rejects; may be called twice. */
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
      this.#store.tell();
    } catch {
      // The broker is away: the lease ends by itself.
    }
  }

  async #declare(): Promise<void> {
    const { clock, registry } = this.host;
    const specs = new Map<string, Spec>();
    for (const task of registry.all()) {
      const spec = await this.#calls.declared(task);
      if (spec !== undefined) specs.set(task.name, spec);
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
      declareEntry(old, set, { spec, alive: this.#alive, now: clock.now() });
    const known = this.#view.rows.get(name)?.value;
    if (known?.declared === undefined && known !== undefined)
      logger().warn({ schedule: name }, `schedule ${name} was set by a call, which outranks its declaration`);
    else if (change(known) !== undefined) await this.#store.update(name, change);
  }

  /** Looks at what others changed; one look at a time. */
  #look(): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    // What is told during a look may be too late for it: another one follows, one for all of them.
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
   * The entries, where they changed, and who lives; says that this worker's set does.
   * @returns whether the broker has forgotten what this worker declared: it lost its data, or nobody of the set was heard
   *   of for a whole lease
   */
  #read(): Promise<boolean> {
    // One after another: what is read later is known last.
    const reading = this.#reading.then(() => this.#readOnce());
    // Whoever asked for it hears of its failure.
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

  /** Entries come and go, one for each customer perhaps. */
  #forgetRemoved(): void {
    for (const known of [this.#backups, this.#restUntil])
      for (const name of known.keys()) if (!this.#view.rows.has(name)) known.delete(name);
  }

  #sets(): string[] {
    const sets = setsOf([...this.#view.rows.values()].map(({ value }) => value));
    return [...new Set(this.#set === undefined ? sets : [...sets, this.#set])];
  }

  /** Lets those declarations count that should by now. */
  async #settle(): Promise<void> {
    const now = this.host.clock.now();
    for (const [name, { value }] of this.#view.rows) {
      if (value.declared === undefined) continue;
      if (isAbandoned(value, this.#alive) && isOutlived(value, now)) await this.#store.remove(name);
      else if (settleEntry(value, this.#alive, now) !== undefined) {
        await this.#store.update(name, (entry) => {
          // A set that came meanwhile was not asked about; the look that follows its notice will.
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

  /** When it is this worker's turn with an entry, epoch ms. */
  #turnOf(name: string, entry: StoredEntry): number {
    const wanted = entry.pending !== undefined || !isAbandoned(entry, this.#alive);
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

  /** Outages are the engine's to report. */
  #onError(error: unknown): void {
    const away = this.host.engine.isUnavailable(error);
    if (away) this.#watchedSince = Number.POSITIVE_INFINITY;
    if (this.#stopped || away) return;
    this.host.logger().error({ error }, 'scheduler error; retrying');
  }
}

/** Equal declarations are one set, whoever makes them. */
function nameOf(specs: ReadonlyMap<string, Spec>): string {
  const texts = [...specs].map(([name, spec]) => [name, contentOf(spec)]).sort();
  return createHash('sha256').update(JSON.stringify(texts)).digest('hex').slice(0, 16);
}
