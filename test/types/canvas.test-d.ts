/** What composes, what it gives, and what must not compile. */
import {
  type AsyncResult,
  type Celeriac,
  chain,
  chord,
  type GroupResult,
  group,
  type TaskHandle,
} from 'celeriac';
import { type Equal, expect } from './expect.js';

interface Page {
  html: string;
}
interface Parsed {
  words: number;
}
interface Thumb {
  png: string;
}
interface Summary {
  text: string;
}
declare const fetchPage: TaskHandle<[url: string, options?: { retries: number }], Page>;
declare const parse: TaskHandle<[page: Page], Parsed>;
declare const thumbnail: TaskHandle<[page: Page, size?: number], Thumb>;
declare const summarise: TaskHandle<[parts: [Parsed, Thumb]], Summary>;
declare const sumUp: TaskHandle<[pages: Page[]], Summary>;
declare const add: TaskHandle<[a: number, b: number], number>;
declare const total: TaskHandle<[numbers: number[]], number>;
declare const cleanup: TaskHandle<[], void>;
declare const url: string;
declare const urls: string[];
declare const app: Celeriac;

const flow = chain(fetchPage.s(url), group(parse.s(), thumbnail.s()), summarise.s());
expect<Equal<Awaited<ReturnType<typeof flow.delay>>, AsyncResult<Summary>>>();
flow.delay();

const sums = chain(add.s(1, 2), add.s(3), add.s(4));
expect<Equal<Awaited<ReturnType<typeof sums.delay>>, AsyncResult<number>>>();

const both = group(add.s(1, 2), fetchPage.s(url));
expect<Equal<Awaited<ReturnType<typeof both.delay>>, GroupResult<[number, Page]>>>();

const flat = group(add.s(1, 2), group(fetchPage.s(url), add.s(3, 4)));
expect<Equal<Awaited<ReturnType<typeof flat.delay>>, GroupResult<[number, Page, number]>>>();

const many = group(urls.map((each) => fetchPage.s(each)));
expect<Equal<Awaited<ReturnType<typeof many.delay>>, GroupResult<Page[]>>>();

const summary = chord(
  urls.map((each) => fetchPage.s(each)),
  sumUp.s(),
);
expect<Equal<Awaited<ReturnType<typeof summary.delay>>, AsyncResult<Summary>>>();
chord([add.s(1, 1), add.s(2, 2)], total.s());
chord([], total.s());
chord(many, sumUp.s());

chain(add.s(1, 2), cleanup.si());
chain(fetchPage.s(url), thumbnail.s(64));
chain(group(add.s(1, 1), add.s(2, 2)), total.s());
chain(many, sumUp.s());
chain(chain(add.s(1, 2), add.s(3)), add.s(9));
chain(add.s(1, 2), chain(add.s(3), add.s(4)), group(add.s(1), chain(add.s(2), add.s(3))), total.s());
chain([add.s(1, 2), add.s(3)]);

// Front arguments: what begins first takes them at delay().
const partial = chain(add.s(3), add.s(4));
partial.delay(1);
group(add.s(1), add.s(2)).delay(10);

const doubled = add.starmap([[1, 2]]);
expect<Equal<Awaited<ReturnType<typeof doubled.delay>>, AsyncResult<number[]>>>();
const chunks = add.chunks([[1, 2]], 10);
expect<Equal<Awaited<ReturnType<typeof chunks.delay>>, GroupResult<number[][]>>>();

const elsewhere = app.signature<number>('elsewhere', [1]);
chain(elsewhere, add.s(1));

// @ts-expect-error a number is no Page
chain(add.s(1, 2), parse.s());
// @ts-expect-error a full call takes nothing from before
chain(add.s(1, 2), add.s(1, 2));
// @ts-expect-error summarise wants [Parsed, Thumb]
chain(fetchPage.s(url), group(thumbnail.s(), parse.s()), summarise.s());
// @ts-expect-error the body wants pages
chord([add.s(1, 1)], sumUp.s());
// @ts-expect-error a mismatch further in
chain(add.s(1, 2), chain(add.s(3), parse.s()));
// @ts-expect-error a wrong argument
add.s('x');
// @ts-expect-error too many arguments
add.s(1, 2, 3);
// @ts-expect-error the first step lacks an argument
partial.delay();
// @ts-expect-error the members lack an argument
group(add.s(1), add.s(2)).delay();
// @ts-expect-error add needs two arguments
add.s(3).delay();
// @ts-expect-error items are numbers
parse.map([1]);

// Links take the value, or nothing; whoever has one goes on.
add.s(1, 2).link(add.s(3)).link(cleanup.si());
chain(fetchPage.s(url), group(parse.s(), thumbnail.s())).link(summarise.s());
chord(many, sumUp.s()).link(chain(cleanup.si(), cleanup.si()));
group(add.s(1, 1), add.s(2, 2)).link(total.s()).delay();
declare const report: TaskHandle<[request: { name: string }, error: Error, who: string], void>;
chain(fetchPage.s(url), parse.s().onError(report.s('parse'))).onError(report.s('whole'));
total.chunks([[[1, 2]], [[3]]], 2);

// @ts-expect-error a number is no Page
add.s(1, 2).link(parse.s());
// @ts-expect-error the list is no number
group(add.s(1, 1), add.s(2, 2)).link(add.s(1));
// @ts-expect-error the body gives a Summary
chord(many, sumUp.s()).link(total.s());
// @ts-expect-error a list stands for the arguments, so a single list needs one around it
total.chunks([[1, 2]], 2);
