/**
 * A design for chords, as the measurement sees it: many members whose values a last task adds up.
 */
import type { BrokerAddress } from '../processes/broker.js';

export interface ChordDesign {
  readonly name: string;
  open(broker: BrokerAddress): Promise<ChordRun>;
}

/** One connection's worth of it, caller and worker in this process. */
export interface ChordRun {
  /** Sends a chord. */
  send(members: number): Promise<SentChord>;
  /** Sends chords one after the other, each beginning with the value of the one before; absent where that cannot be said. */
  sendChained?(chords: number, members: number): Promise<SentChord>;
  /** Sends a chord whose members are not due for an hour. */
  sendDelayed?(members: number): Promise<SentChord>;
  /** Begins to run tasks, twenty at a time. */
  startWorker(): Promise<void>;
  close(): Promise<void>;
}

export interface SentChord {
  /** Its value, once there. */
  value(): Promise<unknown>;
  /** Drops its records. */
  remove(): Promise<void>;
  /** Ends it before it has run; absent where there is no such thing. */
  revoke?(): Promise<void>;
}

/** So many tasks run at a time. */
export const CONCURRENCY = 20;
/** What a member is called with. */
export const TEXT = 'the argument of a member of a chord, sixty characters long  ';
