/**
 * A counter a chord, as Celery does it on Redis: plain jobs whose messages carry what comes after them, a script that
 * keeps each value and counts, and whoever counts the last one sends the body with all values in its message. Only as much
 * as a measurement needs: nothing of it fails, is revoked, or is found by its id.
 */
import { randomUUID } from 'node:crypto';
import { type Job, Queue, QueueEvents, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { type ChordDesign, CONCURRENCY, type SentChord, TEXT } from './subject.js';

const QUEUE = 'chords';
const CHUNK = 1000;
const DAY_MS = 24 * 3_600_000;

// KEYS[1] values by member · ARGV member, value, ttl · returns how many there are
const COUNT = `
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return redis.call('HLEN', KEYS[1])`;

/** A chord: its members, and what comes after them. */
interface Chord {
  readonly id: string;
  readonly members: readonly { readonly name: string; readonly text: string }[];
  readonly next: Chord | undefined;
}

/** What the message of a member carries of its chord. */
interface Place {
  readonly id: string;
  readonly size: number;
  readonly next: Chord | undefined;
}

interface Message {
  readonly text?: string;
  readonly index?: number;
  /** Of a member. */
  readonly chord?: Place;
  /** Of a body. */
  readonly values?: readonly number[];
  readonly next?: Chord | undefined;
}

export const counterDesign: ChordDesign = {
  name: 'counter',
  async open(connection) {
    const redis = new Redis(connection);
    const events = new QueueEvents(QUEUE, { connection });
    events.setMaxListeners(0);
    const queue = new Queue<Message, number>(QUEUE, { connection });
    await Promise.all([events.waitUntilReady(), queue.waitUntilReady()]);
    let worker: Worker<Message, number> | undefined;

    const addAll = async (jobs: readonly { name: string; data: Message; opts: { jobId: string } }[]) => {
      for (let i = 0; i < jobs.length; i += CHUNK) await queue.addBulk(jobs.slice(i, i + CHUNK));
    };
    const begin = ({ id, members, next }: Chord) => {
      const chord = { id, size: members.length, next };
      return addAll(
        members.map(({ name, text }, index) => ({
          name,
          data: { text, index, chord },
          opts: { jobId: `${id}.${index}` },
        })),
      );
    };
    const run = async ({
      data: { values, index = 0, chord, next },
    }: Job<Message, number>): Promise<number> => {
      if (values !== undefined) {
        if (next !== undefined) await begin(next);
        return values.reduce((total, value) => total + value, 0);
      }
      if (chord === undefined) return 1;
      const { id, size } = chord;
      if ((await redis.eval(COUNT, 1, keyOf(id), index, 1, DAY_MS)) !== size) return 1;
      const all = (await redis.hvals(keyOf(id))).map(Number);
      await addAll([
        { name: 'total', data: { values: all, next: chord.next }, opts: { jobId: `${id}.body` } },
      ]);
      return 1;
    };
    const send = async (chords: number, members: number): Promise<SentChord> => {
      const ids = Array.from({ length: chords }, () => randomUUID());
      const whole = ids.reduceRight<Chord | undefined>(
        (next, id) => ({
          id,
          members: Array.from({ length: members }, () => ({ name: 'one', text: TEXT })),
          next,
        }),
        undefined,
      );
      if (whole === undefined) throw new Error('there is no chord to send');
      await begin(whole);
      return {
        value: () => ended(queue, events, `${ids.at(-1)}.body`),
        remove: async () => {
          for (const id of ids) {
            await redis.unlink(keyOf(id));
            await queue.remove(`${id}.body`);
            for (let i = 0; i < members; i += CHUNK)
              await Promise.all(
                Array.from({ length: Math.min(CHUNK, members - i) }, (_, n) =>
                  queue.remove(`${id}.${i + n}`),
                ),
              );
          }
        },
      };
    };
    return {
      send: (members) => send(1, members),
      sendChained: send,
      startWorker: async () => {
        worker = new Worker(QUEUE, run, { connection, concurrency: CONCURRENCY });
        worker.on('error', (error) => console.error(error));
        await worker.waitUntilReady();
      },
      close: async () => {
        await worker?.close();
        await Promise.all([events.close(), queue.close()]);
        redis.disconnect();
      },
    };
  },
};

function keyOf(chord: string): string {
  return `chord:${chord}`;
}

/** Resolves when the job has ended; it may not be there yet. */
function ended(queue: Queue<Message, number>, events: QueueEvents, jobId: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const onCompleted = (event: { jobId: string; returnvalue: unknown }) => {
      if (event.jobId !== jobId) return;
      events.off('completed', onCompleted);
      resolve(Number(event.returnvalue));
    };
    events.on('completed', onCompleted);
    queue.getJob(jobId).then(async (job) => {
      if (await job?.isCompleted()) resolve(job?.returnvalue);
    }, reject);
  });
}
