/**
 * Sends the calls of outbox rows. A row is sent once, however often it is relayed: its key is a mark that the broker keeps
 * in the same atomic step as the jobs. An id counts as taken only when a task has it, not when it is claimed.
 */
import type { Engine } from '../../broker/broker.js';
import type { BrokerClock } from '../../broker/clock.js';
import type { RelayedCall } from '../../broker/relayed-jobs.js';
import type { UniqueCalls } from '../../calls/unique.js';
import type { Launcher } from '../../canvas/workflow/launch.js';
import { TaskIdIndex } from '../../coordination/task-id-index.js';
import type { TaskLookup } from '../../coordination/task-record.js';
import { raiseTombstone } from '../../coordination/tombstones.js';
import type { KeyHolder } from '../../coordination/unique-keys.js';
import { BrokerUnavailableError, CeleriacError, isCeleriacError } from '../../errors.js';
import { amendMessage } from '../../protocol/message.js';
import { type Envelope, jobJson } from '../../queue/producer.js';
import { type FlowCall, type KeyClaim, readCall, type StoredCall, type TaskCalls } from './calls.js';
import type { Ends, OutboxRow } from './table.js';

export interface ReplayParams {
  readonly engine: Engine;
  readonly tasks: TaskLookup;
  readonly clock: BrokerClock;
  readonly unique: UniqueCalls;
  readonly launcher: Launcher;
  readonly publishRetryMs: number;
  readonly failureExpiresMs: number;
}

interface Read {
  readonly row: OutboxRow;
  readonly call: StoredCall;
}

/** Most jobs that the broker takes in one step. */
const MOST_JOBS = 250;
/** Most calls with keys, ids or workflows at the same time: each takes several round trips. */
const MOST_SPECIAL = 25;
/** How long a relay may take over its rows, ms: see `RELEASED_MARK_MS`. */
const MOST_MS = 60_000;
/** How long a call that asks for a replica waits for one, ms. */
const REPLICA_MS = 5_000;
/** The record that is written to find out whether a refusal concerns one call or all. */
const PROBE = 'outbox-probe';

export class OutboxReplay {
  /** When the rows at hand may be with another relay. One batch is sent at a time. */
  #until = 0;

  constructor(private readonly params: ReplayParams) {}

  /**
   * Sends these rows.
   * @returns why some of them never can be sent
   * @throws {BrokerUnavailableError} when the broker takes nothing just now; then any of the rows may have been sent
   */
  async send(rows: readonly OutboxRow[]): Promise<Ends> {
    this.#until = performance.now() + MOST_MS;
    const ends = new Map<string, string>();
    const read: Read[] = [];
    for (const row of rows) {
      try {
        read.push({ row, call: readCall(row.calls) });
      } catch (error) {
        ends.set(row.id, `It cannot be read: ${textOf(error)}`);
      }
    }
    await this.#replicated(read, async () => {
      const plain = read.filter(isPlain);
      const special = read.filter((each) => !isPlain(each));
      await this.#sendPlain(plain, ends);
      for (let at = 0; at < special.length; at += MOST_SPECIAL)
        await this.#sendSpecial(special.slice(at, at + MOST_SPECIAL), ends);
    });
    return ends;
  }

  /** Rows are gone: their marks may go too. Best effort: marks expire by themselves. */
  async release(rows: readonly OutboxRow[]): Promise<void> {
    await this.params.engine.relayed.release(rows.map(({ key }) => key)).catch(() => undefined); // they expire by themselves
  }

  async #sendPlain(plain: readonly (Read & { readonly call: TaskCalls })[], ends: Map<string, string>) {
    for (const piece of inPieces(plain)) {
      try {
        await this.#add(piece.map(({ row, call }) => relayedCall(row, call)));
      } catch (error) {
        if (this.params.engine.isUnavailable(error) || isLater(error)) throw error;
        // One of them is refused: which?
        for (const each of piece)
          await this.#trying(each.row, ends, () => this.#add([relayedCall(each.row, each.call)]));
      }
    }
  }

  async #sendSpecial(reads: readonly Read[], ends: Map<string, string>): Promise<void> {
    const seen = await this.params.engine.relayed.seen(reads.map(({ row }) => row.key));
    const sent = reads.map(({ row, call }, i) =>
      this.#trying(row, ends, () =>
        call.kind === 'flow' ? this.#sendFlow(row, call, seen[i]) : this.#sendTask(row, call, seen[i]),
      ),
    );
    // All have ended before the first failure is thrown, so that none goes on behind the back of the next relay.
    const failed = (await Promise.allSettled(sent)).find((end) => end.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  async #sendTask(row: OutboxRow, call: TaskCalls, isSent = false): Promise<void> {
    if (isSent) return;
    const [first] = call.envelopes;
    const send = () => this.#add([relayedCall(row, call)]);
    const { own } = call;
    if (first === undefined) return;
    const claimed = own === undefined ? send : () => this.#index(row).claim(own, first, send);
    await this.#keyed(call.unique, claimed, async (holder) => this.#standBack(first, holder));
  }

  async #sendFlow(row: OutboxRow, { flow, plan, unique, replicated }: FlowCall, isSent = false) {
    const { launcher } = this.params;
    if (isSent) return launcher.relayed(flow, plan);
    const send = async () => {
      this.#refuseLate();
      await launcher.relay(flow, plan, row.key, replicated === true);
    };
    await this.#keyed(unique, send, async () => undefined);
  }

  async #add(calls: readonly RelayedCall[]): Promise<void> {
    this.#refuseLate();
    await this.params.engine.relayed.add(calls);
  }

  /** A relay that was frozen must not wake up and send what another has sent, whose marks may be gone. */
  #refuseLate(): void {
    if (performance.now() > this.#until)
      throw new BrokerUnavailableError('The relay took too long over these rows; they are relayed again.', {
        address: this.params.engine.address,
      });
  }

  /** Sends under a unique key; `held`: another task has it, and in mode `return` nothing is sent. */
  async #keyed(
    claim: KeyClaim | undefined,
    send: () => Promise<void>,
    held: (holder: KeyHolder) => Promise<void>,
  ): Promise<void> {
    if (claim === undefined) return send();
    const { name, key, mode, ttlMs, holder } = claim;
    const call = { name, key, policy: { key: undefined, mode, ttlMs } };
    const other = await this.params.unique.send(call, holder, send);
    if (other !== undefined) await held(other);
  }

  /** Its caller got an id: that task reads as revoked, since another one has done its work. */
  async #standBack(envelope: Envelope, holder: KeyHolder): Promise<void> {
    const { engine, clock, failureExpiresMs } = this.params;
    const reason = `it is unique, and the task "${holder.taskId}" held its key when its transaction was relayed`;
    const data = JSON.stringify({
      ...amendMessage(envelope.data, { revoked: { reason } }),
      args: [],
    });
    const tomb = { name: envelope.name, data, sentAt: envelope.sentAt, droppedAt: clock.now() };
    await raiseTombstone(engine, { queue: envelope.queue, id: envelope.jobId }, tomb, failureExpiresMs);
  }

  /** Ids are claimed in the name of the row, so that a second relay need not wait for the claim of the first. */
  #index({ key }: OutboxRow): TaskIdIndex {
    const { engine, tasks, clock, publishRetryMs } = this.params;
    return new TaskIdIndex(engine, tasks, clock, publishRetryMs, `outbox:${key}`);
  }

  /** Sends one call. Notes why it never can be, if the fault is its own. */
  async #trying(row: OutboxRow, ends: Map<string, string>, send: () => Promise<void>): Promise<void> {
    try {
      await send();
    } catch (error) {
      if (this.params.engine.isUnavailable(error) || isLater(error)) throw error;
      const isOurs = error instanceof CeleriacError && error.code !== 'BROKER';
      // A broker that refuses everything (rights, a missing schema) is no fault of this call.
      if (!isOurs) await this.#probe();
      ends.set(row.id, textOf(error));
    }
  }

  /** Throws if the broker refuses a harmless write as well. */
  async #probe(): Promise<void> {
    await this.params.engine.records.create(PROBE, '', 1_000);
  }

  /** Waits until a replica has what was sent, if one of the calls asked for that. */
  async #replicated(reads: readonly Read[], send: () => Promise<void>): Promise<void> {
    const { replication, address } = this.params.engine;
    if (replication === undefined || !reads.some(wantsReplica)) return send();
    const begun = await replication.begin();
    await send();
    if ((await replication.confirm(begun, REPLICA_MS)) === 'confirmed') return;
    throw new BrokerUnavailableError(
      `No replica of the broker at ${address} is known to have what was relayed, which acceptance: 'replicated' asks for.`,
      { address },
    );
  }
}

function isPlain(read: Read): read is Read & { readonly call: TaskCalls } {
  const { call } = read;
  return call.kind === 'tasks' && call.own === undefined && call.unique === undefined;
}

function wantsReplica({ call }: Read): boolean {
  return call.kind === 'flow'
    ? call.replicated === true
    : call.envelopes.some(({ replicated }) => replicated === true);
}

function relayedCall(row: OutboxRow, call: TaskCalls): RelayedCall {
  return {
    mark: row.key,
    jobs: call.envelopes.map((e) => ({ queue: e.queue, jobId: e.jobId, job: jobJson(e) })),
  };
}

/** Pieces that the broker takes in one step. A call is never divided. */
function inPieces<R extends { readonly call: TaskCalls }>(reads: readonly R[]): R[][] {
  const pieces: R[][] = [];
  let jobs = MOST_JOBS;
  for (const read of reads) {
    if (jobs + read.call.envelopes.length > MOST_JOBS) {
      pieces.push([]);
      jobs = 0;
    }
    jobs += read.call.envelopes.length;
    pieces.at(-1)?.push(read);
  }
  return pieces;
}

/** Whether another relay may send it. */
function isLater(error: unknown): boolean {
  return isCeleriacError(error, 'BROKER_UNAVAILABLE') || isCeleriacError(error, 'APP_CLOSED');
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
