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

declare const bothResult: GroupResult<[number, Page]>;
for (const one of bothResult) {
  const typed: AsyncResult<number> | AsyncResult<Page> = one;
  void typed;
}
const again = add.s(1, 2).withArgs(5);
expect<Equal<Awaited<ReturnType<typeof again.delay>>, AsyncResult<number>>>();
again.delay(1);
// @ts-expect-error the first argument is missing
again.delay();
// @ts-expect-error a page is no number
fetchPage.s(url).withArgs(1);
// @ts-expect-error it takes nothing from a previous step
add.si(1, 2).withArgs(1);

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

// A list of steps is checked like steps by themselves; one whose length is not known is taken as it is.
expect<Equal<Awaited<ReturnType<typeof listed.delay>>, AsyncResult<number>>>();
const listed = chain([add.s(1, 2), add.s(3)]);
chain(urls.map(() => add.s(1)));
chain(new Set([add.s(1)]));
// @ts-expect-error a number is no Page, in a list too
chain([add.s(1, 2), parse.s()]);

// The errors of a group that is not to throw stand among the values.
declare const pages: GroupResult<[number, Page]>;
const thrown = pages.get();
expect<Equal<typeof thrown, Promise<[number, Page]>>>();
const kept = pages.get({ propagate: false });
expect<Equal<typeof kept, Promise<[number | Error, Page | Error]>>>();
const [ofNumber, ofPage]: readonly [AsyncResult<number>, AsyncResult<Page>] = pages.results;
void [ofNumber, ofPage, pages.results.length, pages.results.map(({ id }) => id)];
const wide: GroupResult<unknown> = pages;
void wide.results.map(({ id }) => id);
const first: AsyncResult | undefined = (pages as unknown as GroupResult).results[0];
void first;

// One task over all items takes one argument of each.
fetchPage.map([url]);
total.map([[1, 2]]);
// @ts-expect-error add takes two
add.map([1]);
// @ts-expect-error a single argument is too little
add.chunks([1], 2);
fetchPage.chunks([url], 2);

// Callbacks in options are checked like those of signatures.
add.applyAsync([1, 2], { link: add.s(3), linkError: report.s('add') });
add.applyAsync([1, 2], { link: [add.s(3), cleanup.si()], countdown: '5s' });
// @ts-expect-error a number is no Page
add.applyAsync([1, 2], { link: parse.s() });
// @ts-expect-error an errback gets the request, the error and its own arguments
add.applyAsync([1, 2], { linkError: report.s() });
// @ts-expect-error an errback gets the request and the error first
add.s(1, 2).onError(add.s(1, 2));
add.s(1, 2).onError(cleanup.si());

// What is lacking may be given with options too.
add.s(2).applyAsync([1], { queue: 'q' });
add.s(1, 2).applyAsync();
add.s(1, 2).applyAsync([], { queue: 'q' });
add.s(1, 2).applyAsync(undefined, { queue: 'q' });
partial.applyAsync([1]);
flow.applyAsync([], { queue: 'q' });
// @ts-expect-error the first argument is lacking
add.s(2).applyAsync();
// @ts-expect-error it is a number
add.s(2).applyAsync(['x']);
// @ts-expect-error the first step lacks an argument
partial.applyAsync();
// @ts-expect-error nothing is lacking
flow.applyAsync([1]);

// All members of a group are given the same arguments.
group(add.s(1), thumbnail.si({ html: '' })).delay(10);
// @ts-expect-error one member wants a number, the other a page
group(add.s(1), parse.s()).delay(10);
// @ts-expect-error nothing is lacking
group(add.s(1, 2), add.s(3, 4)).delay(1);

const published = app.publish([add.s(1, 2), fetchPage.s(url)]);
expect<Equal<typeof published, Promise<AsyncResult<number | Page>[]>>>();
app.publish(urls.map((each) => fetchPage.s(each)));
app.publish([elsewhere, flow]);
// @ts-expect-error add needs two arguments
app.publish([add.s(1, 2), add.s(1)]);
