/**
 * An engine that is another one, whichever stands in its place at the time: tests put theirs there. Written out, since it
 * stands in front of every call and a Proxy is dear there. It sees nothing differently and holds on to nothing.
 */
import type { Engine } from './broker.js';

/** Where an app's tasks lie. One engine all its life, unless tests put another in its place. */
export interface Ground {
  engine: Engine;
}

/** The engine of `ground`. */
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
    hold: () => ground.engine.hold(),
    isUnavailable: (error) => ground.engine.isUnavailable(error),
    wasThere: (error) => ground.engine.wasThere(error),
    examine: () => ground.engine.examine(),
    examineAddresses: () => ground.engine.examineAddresses(),
    migrate: () => ground.engine.migrate(),
    close: () => ground.engine.close(),
  };
}
