/**
 * An engine that delegates to the app's current engine, which tests may swap. Written out because every call passes through
 * here and a Proxy would be slow. This file must not change behaviour, and must not keep a reference to an engine.
 */
import type { Engine } from './broker.js';

/** Holds the app's current engine: the same for the app's whole life, unless tests swap it. */
export interface Ground {
  engine: Engine;
}

/** An engine that always delegates to the current `ground.engine`. */
export function engineOf(ground: Readonly<Ground>): Engine {
  return {
    get kind() {
      return ground.engine.kind;
    },
    get address() {
      return ground.engine.address;
    },
    get oneProcess() {
      return ground.engine.oneProcess;
    },
    get records() {
      return ground.engine.records;
    },
    get flows() {
      return ground.engine.flows;
    },
    get places() {
      return ground.engine.places;
    },
    get steps() {
      return ground.engine.steps;
    },
    get streams() {
      return ground.engine.streams;
    },
    get relayed() {
      return ground.engine.relayed;
    },
    get signals() {
      return ground.engine.signals;
    },
    get queues() {
      return ground.engine.queues;
    },
    get broadcast() {
      return ground.engine.broadcast;
    },
    get replication() {
      return ground.engine.replication;
    },
    get sql() {
      return ground.engine.sql;
    },
    readJobs: (refs) => ground.engine.readJobs(refs),
    readEnded: (refs) => ground.engine.readEnded(refs),
    ready: () => ground.engine.ready(),
    backend: (queue) => ground.engine.backend(queue),
    bullmq: () => ground.engine.bullmq(),
    amendData: (ref, was, data) => ground.engine.amendData(ref, was, data),
    addTogether: (jobs) => ground.engine.addTogether(jobs),
    readHeads: (refs) => ground.engine.readHeads(refs),
    readDelayed: (queues, limit) => ground.engine.readDelayed(queues, limit),
    reclaim: (rows) => ground.engine.reclaim(rows),
    uncount: (ref) => ground.engine.uncount(ref),
    serverTime: () => ground.engine.serverTime(),
    answers: () => ground.engine.answers(),
    hold: () => ground.engine.hold(),
    isUnavailable: (error) => ground.engine.isUnavailable(error),
    wasThere: (error) => ground.engine.wasThere(error),
    examine: () => ground.engine.examine(),
    examineAddresses: () => ground.engine.examineAddresses(),
    migrate: () => ground.engine.migrate(),
    close: () => ground.engine.close(),
  };
}
