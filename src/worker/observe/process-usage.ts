/** What this process uses of its machine. */

/** CPUs in use on average since the last call, or since the start of the process: 1 is one whole CPU. */
export class ProcessUsage {
  #cpu = { user: 0, system: 0 };
  #at = 0;

  /** @param nowMs since the process started */
  cpu(nowMs = performance.now(), used = process.cpuUsage()): number {
    const spentMs = (used.user + used.system - this.#cpu.user - this.#cpu.system) / 1000;
    const passedMs = nowMs - this.#at;
    this.#cpu = used;
    this.#at = nowMs;
    return passedMs <= 0 ? 0 : Math.round((spentMs / passedMs) * 1000) / 1000;
  }

  /** Resident memory, bytes. */
  memory(): number {
    return process.memoryUsage.rss();
  }
}
