/**
 * A waiter of a fault campaign: `waiter.js BROKER PREFIX LEDGER NAME`. It knows no tasks, gets ids as `{ ids }` and
 * writes how each ended; after `{ last: true }` it says 'done' when all have, and ends.
 */
import { type AsyncResult, Celeriac, TaskFailedError } from 'celeriac';
import { hostileLogger } from '../../support/fault-hostility.js';
import { type FaultOutcome, LedgerWriter } from '../../support/fault-ledger.js';

const [broker = '', prefix = '', path = '', waiter = ''] = process.argv.slice(2);
// A machine busy with other tests is no outage, also when it is the first thing a process meets.
const app = new Celeriac('waiter', { broker, prefix, publishRetry: '20s', logger: hostileLogger });
const ledger = new LedgerWriter(path);
const waits: Promise<void>[] = [];

process.on('message', async (message: { ids?: string[]; last?: true }) => {
  for (const id of message.ids ?? []) waits.push(waitFor(id));
  if (message.last !== true) return;
  await Promise.all(waits);
  process.send?.('done', () => process.disconnect());
  await app.close();
  ledger.close();
});
process.on('disconnect', () => void app.close());
process.send?.('ready');

async function waitFor(id: string): Promise<void> {
  ledger.outcome({ waiter, id, outcome: await outcomeOf(app.result(id)) });
}

async function outcomeOf(result: AsyncResult): Promise<FaultOutcome> {
  try {
    return { value: await result.get() };
  } catch (error) {
    if (!(error instanceof Error)) return { error: 'no Error', message: String(error) };
    if (!(error instanceof TaskFailedError)) return { error: error.name, message: error.message };
    const cause = error.cause as Error & { code?: unknown };
    return {
      error: error.name,
      message: error.message,
      cause: { name: cause.name, message: cause.message, code: cause.code },
    };
  }
}
