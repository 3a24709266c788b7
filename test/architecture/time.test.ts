/**
 * What is promised about time and about errors that are swallowed: one clock above the broker, no timer that overflows, no
 * interval without an end, and a reason wherever an error goes unheard.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readSources, type SourceFile, sourceFile } from './source.js';

/** Files that a rule does not hold for, and why. */
type Exceptions = Readonly<Record<string, string>>;

/** The machine's own clock is what is meant there. */
const OWN_CLOCK: Exceptions = {
  'cli/worker/log.ts': 'a log line bears the time of the machine that wrote it',
  'queue/outcome-writer.ts': 'BullMQ delays a job by the clock of the worker that says so',
  'queue/worker-loop.ts': "a marker of BullMQ's is due by the clock of the worker that reads it",
  'cli/commands/events.ts': 'a live page shows how long ago its own watcher heard of something',
  'web/follow/token.ts': 'whoever signs a token asks no broker, and neither does whoever checks it',
};

/** Their delays are bounded where they are made: browsers load nothing of `timers.ts`. */
const OWN_TIMERS: Exceptions = {
  'client/connection.ts': 'pauses of 15 seconds at most',
};

/** The one place that knows what Node's timers can take. */
const TIMERS = 'timers.ts';

/** An interval that ends with what runs it. */
const ENDLESS: Exceptions = {
  'queue/locks/lock-thread.ts': 'a thread of its own, ended from outside',
  'cli/worker/process-main.ts': 'a process of its own, which ends by process.exit',
};

/** What is wrong with the files, one sentence each. */
const RULES: Readonly<Record<string, (files: readonly SourceFile[]) => string[]>> = {
  'above the broker nobody reads the clock of the machine': (files) =>
    files
      .filter(({ path, room }) => room !== 'broker' && OWN_CLOCK[path] === undefined)
      .flatMap(({ path, text }) =>
        [...text.matchAll(/\bDate\.now\b|\bnew Date\(\)/g)].map(
          ([call]) =>
            `src/${path}: ${call}. Moments come from the broker's clock (BrokerClock.now); ` +
            'how long something took is a difference of performance.now().',
        ),
      ),

  'a timer of Node is given a constant': (files) =>
    files
      .filter(({ path }) => path !== TIMERS && OWN_TIMERS[path] === undefined)
      .flatMap(({ path, text }) => [
        ...delaysOf(text)
          .filter((delay) => !/^([A-Z][A-Z0-9_]*|\d[\d_]*)$/.test(delay))
          .map(
            (delay) =>
              `src/${path}: a timer of Node is given "${delay}". More than 24.8 days make it fire at once: use after, every or ` +
              'sleep of src/timers.ts.',
          ),
        ...[...text.matchAll(/import \{([^}]*)\} from '(?:node:)?timers(?:\/promises)?'/g)]
          .filter(([, names = '']) => /\bset(Timeout|Interval)\b/.test(names))
          .map(() => `src/${path} imports Node's timers. Use after, every or sleep of src/timers.ts.`),
      ]),

  'an interval has an end in the same file': (files) =>
    files
      .filter(({ path }) => ENDLESS[path] === undefined && path !== TIMERS)
      .flatMap(({ path, text }) => [
        ...(/\bsetInterval\(/.test(text) && !/\bclearInterval\(/.test(text)
          ? [`src/${path} begins an interval and clears none.`]
          : []),
        ...[...text.matchAll(/^\s*(?:void )?(?:every|setInterval)\(/gm)].map(
          () => `src/${path} begins an interval and keeps nothing to end it by.`,
        ),
      ]),

  'a swallowed error says why': (files) =>
    files.flatMap(({ path, source }) =>
      swallowed(source).map(
        (line) =>
          `src/${path}:${line} swallows an error without a word. Say in a comment why it may go unheard.`,
      ),
    ),
};

/** The second arguments of all calls of `setTimeout` and `setInterval` that are not methods. */
function delaysOf(code: string): string[] {
  return [...code.matchAll(/(?<![.\w])set(?:Timeout|Interval)\(/g)].map(({ 0: call, index }) =>
    (argumentsFrom(code, index + call.length)[1] ?? '0').trim(),
  );
}

/** The arguments of a call whose parenthesis was opened just before `from`. */
function argumentsFrom(code: string, from: number): string[] {
  const found = [''];
  let depth = 0;
  let quote = '';
  for (const char of code.slice(from)) {
    if (quote !== '') quote = char === quote ? '' : quote;
    else if ('\'"`'.includes(char)) quote = char;
    else if ('([{'.includes(char)) depth++;
    else if (')]}'.includes(char) && depth-- === 0) return found;
    if (char === ',' && depth === 0 && quote === '') found.push('');
    else found.push((found.pop() ?? '') + char);
  }
  return found;
}

const SWALLOWS =
  /catch(?: \(\w+\))? \{\s*\}|\.catch\(\s*(?:\(\w*\)|\w+) =>\s*(?:undefined|\{\s*\}|null|false|\[\])\s*,?\s*\)|,\s*\(\w*\) => (?:undefined|\{\s*\}),?\s*\)/g;

/** The lines that swallow an error and have no comment: on them, in them, or right before them. */
function swallowed(source: string): number[] {
  const lines = source.split('\n');
  return [...source.matchAll(SWALLOWS)].flatMap(({ 0: text, index }) => {
    const first = source.slice(0, index).split('\n').length;
    const last = first + text.split('\n').length - 1;
    const near = lines.slice(Math.max(0, first - 2), last);
    return near.some((line) => /\/\/|\*\//.test(line)) ? [] : [first];
  });
}

describe('Time and silence in the house', () => {
  const files = readSources();
  for (const [rule, broken] of Object.entries(RULES)) {
    it(`keeps to the rule: ${rule}`, () => {
      assert.deepEqual(broken(files), []);
    });
  }
});

describe('The rules about time notice', () => {
  const complaints = (rule: string, path: string, text: string) =>
    RULES[rule]?.([sourceFile(path, text)]) ?? assert.fail(`no rule "${rule}"`);

  it("the machine's clock above the broker, in any form", () => {
    const rule = 'above the broker nobody reads the clock of the machine';
    for (const text of ['x = Date.now();', 'const now = Date.now;', 'new Date().getTime()'])
      assert.equal(complaints(rule, 'worker/x.ts', text).length, 1, text);
    for (const text of ['new Date(at)', '// Date.now()', 'performance.now()'])
      assert.equal(complaints(rule, 'worker/x.ts', text).length, 0, text);
    assert.equal(complaints(rule, 'broker/x.ts', 'Date.now()').length, 0);
  });

  it('a timer that is given a variable, however it is written', () => {
    const rule = 'a timer of Node is given a constant';
    for (const text of [
      'setTimeout(fn, timeoutMs);',
      'setTimeout(() => { f(a, b); }, Math.min(1, ms)).unref();',
      "setTimeout(() => log(')'), options.ms)",
      'setInterval(fn, LOOK_MS * 2)',
      "import { setTimeout as sleep } from 'node:timers/promises';",
    ])
      assert.equal(complaints(rule, 'worker/x.ts', text).length, 1, text);
    for (const text of [
      'setTimeout(fn, LOOK_MS)',
      'setTimeout(fn, 1_000)',
      'setTimeout(() => f(a, ms))',
      'socket.setTimeout(ms)',
      'setTimeout(fn, WAIT_MS, undefined)',
      "import { setImmediate as turn } from 'node:timers/promises';",
    ])
      assert.equal(complaints(rule, 'worker/x.ts', text).length, 0, text);
  });

  it('an interval without an end', () => {
    const rule = 'an interval has an end in the same file';
    for (const text of ['this.#t = setInterval(fn, 5);', '  every(5, fn);', '  void every(5, fn);'])
      assert.equal(complaints(rule, 'worker/x.ts', text).length, 1, text);
    for (const text of ['const t = setInterval(fn, 5); clearInterval(t);', 'this.#stop = every(5, fn);'])
      assert.equal(complaints(rule, 'worker/x.ts', text).length, 0, text);
  });

  it('an error that is swallowed without a word', () => {
    const rule = 'a swallowed error says why';
    for (const text of [
      'try { f(); } catch {}',
      'try { f(); } catch (error) {\n}',
      'f().catch(() => undefined);',
      'f().catch(() => {});',
      'f().then(go, () => undefined);',
    ])
      assert.equal(complaints(rule, 'worker/x.ts', text).length, 1, text);
    for (const text of [
      'try { f(); } catch {\n  // it is gone\n}',
      'f().catch(() => undefined); // it is gone',
      '// it is gone\nf().catch(() => undefined);',
      'f().catch((error) => log(error));',
    ])
      assert.equal(complaints(rule, 'worker/x.ts', text).length, 0, text);
  });
});
