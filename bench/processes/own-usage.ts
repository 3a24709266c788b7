/** What this process has used so far, all its threads included. */
import { performance } from 'node:perf_hooks';
import type { Reading } from '../subjects/subject.js';

export function ownUsage(): Reading {
  const { user, system } = process.cpuUsage();
  return {
    atMs: performance.now(),
    cpuMs: (user + system) / 1_000,
    peakRssBytes: process.resourceUsage().maxRSS * 1_024,
    rssBytes: process.memoryUsage.rss(),
  };
}
