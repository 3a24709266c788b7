/** celeriac as its documentation says. */
import { Celeriac, type Composable, chain, chord, group } from 'celeriac';
import { type ChordDesign, CONCURRENCY, type SentChord, TEXT } from './subject.js';

const SILENT = { debug() {}, info() {}, warn: console.error, error: console.error };

/** @param resultExpires how long records are kept */
export function celeriacDesign(resultExpires = '1d', name = 'celeriac'): ChordDesign {
  return {
    name,
    async open({ host, port }) {
      const broker = `redis://${host}:${port}/0`;
      const app = new Celeriac('chords', { broker, logger: SILENT, resultExpires });
      const one = app.task('one', async (_text: string) => 1);
      const next = app.task('next', async (before: number, _text: string) => Math.sign(before));
      const total = app.task('total', async (values: number[]) => values.reduce((sum, n) => sum + n, 0));
      const members = (n: number) => Array.from({ length: n }, () => one.s(TEXT));
      return {
        send: async (n) => sent(await chord(members(n), total.s()).delay()),
        sendChained: async (chords, n) => {
          const following = Array.from({ length: chords - 1 }, () => [
            group(Array.from({ length: n }, () => next.s(TEXT))),
            total.s(),
          ]).flat();
          return sent(await chain([group(members(n)), total.s(), ...following] as Composable[]).delay());
        },
        sendDelayed: async (n) =>
          sent(await chord(members(n), total.s()).applyAsync([], { countdown: '1h' })),
        startWorker: () => app.worker({ concurrency: CONCURRENCY }).start(),
        close: () => app.close(),
      };
    },
  };
}

interface Result {
  get(): Promise<unknown>;
  forget(): Promise<void>;
  revoke(): Promise<unknown>;
}

function sent(result: Result): SentChord {
  return {
    value: () => result.get(),
    remove: () => result.forget(),
    revoke: async () => void (await result.revoke()),
  };
}
