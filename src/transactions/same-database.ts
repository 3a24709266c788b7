/** Whether a transaction is in the database of the broker. Asked once for each client, pool or data source. */
import { asked } from '../broker/postgres/transaction.js';
import type { SqlGround } from '../broker/sql-ground.js';
import type { TransactionLink } from '../options/transaction.js';

/** What is known, by database and by what stands for the caller's side. */
const KNOWN = new WeakMap<SqlGround, WeakMap<object, boolean>>();
/** What the engine's own database last gave. */
const OWN = new WeakMap<SqlGround, string>();

export async function samePostgres(sql: SqlGround, link: TransactionLink): Promise<boolean> {
  const known = KNOWN.get(sql) ?? new WeakMap<object, boolean>();
  KNOWN.set(sql, known);
  const remembered = known.get(link.root);
  if (remembered !== undefined) return remembered;
  // First, since it makes the schema where the app migrates by itself.
  const own = OWN.get(sql) ?? (await identity(sql));
  const [row] = await asked(link, sql.identify);
  const theirs = row?.['identity'];
  // Asked again at a difference: the server may have been started anew.
  const same = theirs === own || theirs === (await identity(sql));
  known.set(link.root, same);
  return same;
}

async function identity(sql: SqlGround): Promise<string> {
  const own = await sql.identity();
  OWN.set(sql, own);
  return own;
}
