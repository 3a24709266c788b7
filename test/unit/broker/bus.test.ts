/** The ids of processes on the bus, which carry their names. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { idOf, nameIn } from '#src/broker/bus.js';

describe('The id of a process on the bus', () => {
  it('carries its name, or as much of it as fits into what BullMQ takes', () => {
    const long = 'worker celeriac@ip-10-0-12-34.eu-west-1.compute.internal';
    for (const [name, kept] of [
      ['worker celeriac@host', 'worker celeriac@host'],
      [long, 'worker celeriac@ip-10-0-12-34.eu-we…'],
      [`worker ${'ü'.repeat(40)}`, `worker ${'ü'.repeat(14)}…`],
      ['worker <img src=x onerror="1">', 'worker <img src=x onerror="1">'],
      ['', ''],
    ] as const) {
      const id = idOf(name);
      assert.match(id, /^[A-Za-z0-9_-]{1,64}$/, name);
      assert.equal(nameIn(id), kept);
      assert.notEqual(idOf(name), id);
    }
  });
});
