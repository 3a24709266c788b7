/** A small shop whose tasks do all that the page shows: they report, fail, retry, step, wait, stream, and run when told to. */
import { type Celeriac, chain, group } from 'celeriac';
import { type Gate, gate } from './app.js';

export interface Shop {
  /** Opens what `report` and `write` wait at. */
  readonly go: Gate;
  /** What `renderPage` and `charge` have done, by their arguments. */
  readonly done: readonly number[];
  /** From then on `charge` succeeds. */
  repair(): void;
  readonly tasks: ReturnType<typeof declare>;
}

export function shop(app: Celeriac): Shop {
  const go = gate();
  const state = { broken: true, done: [] as number[] };
  return {
    go,
    done: state.done,
    repair: () => {
      state.broken = false;
    },
    tasks: declare(app, go, state),
  };
}

function declare(app: Celeriac, go: Gate, state: { broken: boolean; done: number[] }) {
  const fetchOrder = app.task('fetch_order', async (id: number) => id);
  const renderPage = app.task('render_page', async (page: number) => {
    state.done.push(page);
    return page;
  });
  const total = app.task('total', async (pages: number[]) => pages.length);
  return {
    fetchOrder,
    renderPage,
    total,
    /** Says how far it is, and goes on when the gate is open. */
    report: app.task('generate_report', async function (id: string) {
      await this.updateState('PROGRESS', { current: 42, total: 100, status: `Rendering ${id}` });
      await go.opened;
      return `Report ${id} is ready`;
    }),
    /** Fails until it is repaired, or charges enough. */
    charge: app.task('charge_card', async (amount: number) => {
      if (state.broken && amount < 100) throw refusal(amount);
      state.done.push(amount);
      return amount;
    }),
    /** Fails, and retries in an hour. */
    mail: app.task('send_email', { maxRetries: 3, autoretryFor: true, retryBackoff: '1h' }, async () => {
      throw new TypeError('the mail server did not answer');
    }),
    order: app.task('order', async function (id: string) {
      await this.step('reserve', async () => id);
      await this.waitFor('approval');
      return id;
    }),
    write: app.task('write', async function* (words: number) {
      for (let word = 0; word < words; word++) yield `word ${word} `;
      await go.opened;
      yield 'the last word';
      return words;
    }),
    flow: (members: number) =>
      chain(
        fetchOrder.s(1),
        group(Array.from({ length: members }, (_, page) => renderPage.si(page))),
        total.s(),
      ),
  };
}

/** With the stack of a user's program, whichever machine the test runs on: it is seen in pictures. */
function refusal(amount: number): RangeError {
  const error = new RangeError(`the bank refused ${amount} of account 12`);
  error.stack = `RangeError: ${error.message}
    at Bank.withdraw (/app/src/bank.ts:42:13)
    at async Checkout.chargeCard (/app/src/checkout.ts:18:20)`;
  return error;
}
