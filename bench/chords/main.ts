/**
 * Chords, design by design: broker memory per member, round trips, time, and the longest single command over a chord's
 * whole life: `npm run bench:chords -- [--sizes 10,100,1000,10000] [--designs celeriac,flow,counter] [--rounds 3]`.
 * The exit code is 1 when a value is wrong, or when a command of celeriac's took Redis more than 100 ms.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Children } from '../processes/children.js';
import { RedisServer } from '../processes/redis.js';
import { celeriacDesign } from './celeriac.js';
import { counterDesign } from './counter.js';
import { flowDesign } from './flow.js';
import { type Phase, RedisWatch } from './redis-watch.js';
import type { ChordDesign, ChordRun, SentChord } from './subject.js';

const DESIGNS: Readonly<Record<string, ChordDesign>> = {
  celeriac: celeriacDesign(),
  flow: flowDesign,
  counter: counterDesign,
};
/** No command of celeriac's may take Redis longer, ms. */
const LONGEST_MS = 100;
/** So many members are measured at least: a few kilobytes are lost in what Redis holds for itself. */
const LEAST_MEMBERS = 2000;
/** Chords one after the other. */
const CHAINED = 5;
/** What a queue keeps beside its jobs: so many keys are left at the end. */
const LEFT_KEYS = 20;

const { values: options } = parseArgs({
  options: {
    sizes: { type: 'string', default: '10,100,1000,10000' },
    designs: { type: 'string', default: 'celeriac,flow,counter' },
    rounds: { type: 'string', default: '3' },
    /** Members of each of the chained chords. */
    chained: { type: 'string', default: '200' },
  },
});
const sizes = options.sizes.split(',').map(Number);
const designs = options.designs.split(',').map((name) => {
  const design = DESIGNS[name];
  if (design === undefined)
    throw new Error(`no design "${name}"; there are ${Object.keys(DESIGNS).join(', ')}`);
  return design;
});
const children = new Children();
const server = await RedisServer.start(children);
const watch = new RedisWatch(server.address);
const faults: string[] = [];
try {
  for (const design of designs) {
    for (const size of sizes) await life(design, size);
    await chained(design, Number(options.chained));
    await timed(design, 1000, Number(options.rounds));
  }
  if (designs.some(({ name }) => name === 'celeriac')) await otherEnds(Math.max(...sizes));
} finally {
  watch.close();
  await server.stop();
}
for (const fault of faults) console.error(fault);
process.exitCode = faults.length === 0 ? 0 : 1;

/** Chords from their call to the removal of their records. */
async function life(design: ChordDesign, size: number): Promise<void> {
  const times = Math.ceil(LEAST_MEMBERS / size);
  await withRun(design, async (run) => {
    const sent: SentChord[] = [];
    const send = await watch.during(async () => {
      for (let i = 0; i < times; i++) sent.push(await run.send(size));
    });
    const work = await watch.during(async () => {
      await run.startWorker();
      for (const chord of sent) expect(design, await chord.value(), size);
    });
    const remove = await watch.during(async () => {
      for (const chord of sent) await chord.remove();
    });
    tell(design, `${size} members${times > 1 ? `, ${times} times` : ''}`, size * times, {
      send,
      work,
      remove,
    });
  });
}

/** Chords one after the other, each member of the next beginning with the value of the one before. */
async function chained(design: ChordDesign, size: number): Promise<void> {
  await withRun(design, async (run) => {
    if (run.sendChained === undefined) return console.log(`${design.name}: chained chords cannot be said`);
    const { sendChained } = run;
    let sent: SentChord | undefined;
    const send = await watch.during(async () => {
      sent = await sendChained(CHAINED, size);
    });
    const work = await watch.during(async () => {
      await run.startWorker();
      expect(design, await sent?.value(), size);
    });
    const remove = await watch.during(async () => sent?.remove());
    tell(design, `${CHAINED} chained chords of ${size}`, CHAINED * size, { send, work, remove });
  });
}

/** One chord at a time, from the call to the value. */
async function timed(design: ChordDesign, size: number, rounds: number): Promise<void> {
  await withRun(design, async (run) => {
    await run.startWorker();
    const times: number[] = [];
    // The first one warms up.
    for (let round = 0; round <= rounds; round++) {
      const { wallMs } = await watch.during(async () =>
        expect(design, await (await run.send(size)).value(), size),
      );
      if (round > 0) times.push(wallMs);
    }
    const median = times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;
    console.log(`${design.name}: a chord of ${size} takes ${median.toFixed(0)} ms (median of ${rounds})`);
  });
}

/** The ends other than running: revoked before it is due, and dropped since its records have expired. */
async function otherEnds(size: number): Promise<void> {
  const design = celeriacDesign('2s');
  await withRun(design, async (run) => {
    let sent: SentChord | undefined;
    await run.startWorker();
    const send = await watch.during(async () => {
      sent = await run.sendDelayed?.(size);
      await until(async () => (await watch.delayed()) === size, 'all members to be delayed');
    });
    const revoke = await watch.during(async () => {
      await sent?.revoke?.();
      await until(async () => (await watch.delayed()) === 0, 'the end of all members');
    });
    tell(design, `${size} members, revoked an hour before they are due`, size, { send, revoke });
  });
  await withRun(design, async (run) => {
    await run.startWorker();
    const before = await watch.keys();
    const work = await watch.during(async () => expect(design, await (await run.send(size)).value(), size));
    const expire = await watch.during(() =>
      until(async () => (await watch.keys()) <= before + LEFT_KEYS, 'the end of all records'),
    );
    tell(design, `${size} members whose records expire`, size, { work, expire });
  });
}

async function withRun(design: ChordDesign, body: (run: ChordRun) => Promise<void>): Promise<void> {
  await watch.begin();
  const run = await design.open(server.address);
  try {
    await body(run);
  } finally {
    await run.close();
  }
}

function expect({ name }: ChordDesign, value: unknown, wanted: number): void {
  if (value !== wanted) faults.push(`${name}: a chord gave ${String(value)}, not ${wanted}`);
}

function tell(
  { name }: ChordDesign,
  what: string,
  members: number,
  phases: Readonly<Record<string, Phase>>,
): void {
  console.log(`${name}: ${what}`);
  for (const [phase, { wallMs, reads, peakBytes, keptBytes, slowestMs, slowest }] of Object.entries(phases)) {
    const each = (n: number) => (n / members).toFixed(n / members < 10 ? 2 : 0);
    console.log(
      `  ${phase.padEnd(7)} ${wallMs.toFixed(0).padStart(6)} ms   reads/member ${each(reads).padStart(5)}   ` +
        `bytes/member: most ${each(peakBytes).padStart(5)}, then ${each(keptBytes).padStart(5)}   ` +
        `longest command ${slowestMs.toFixed(1)} ms (${slowest})`,
    );
    if (name.startsWith('celeriac') && slowestMs > LONGEST_MS)
      faults.push(`${name}: ${what}, ${phase}: a command took ${slowestMs} ms (${slowest})`);
  }
}

async function until(check: () => Promise<boolean>, what: string): Promise<void> {
  const giveUpAt = Date.now() + 120_000;
  while (!(await check())) {
    if (Date.now() > giveUpAt) throw new Error(`waited two minutes for ${what}`);
    await sleep(50);
  }
}
