/** The transactions of database libraries, each with the real package on a real server. */
import 'reflect-metadata';
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { EntitySchema as MikroSchema } from '@mikro-orm/core';
import { MikroORM } from '@mikro-orm/postgresql';
import { PrismaPg } from '@prisma/adapter-pg';
import { chain, DuplicateTaskError, OptionError, UnknownTaskError } from 'celeriac';
import {
  fromDrizzle,
  fromKnex,
  fromKysely,
  fromMikroOrm,
  fromPostgresJs,
  fromPrisma,
  fromTypeOrm,
  type TransactionOption,
} from 'celeriac/transactions';
import { drizzle as drizzlePg } from 'drizzle-orm/node-postgres';
import { pgTable, text } from 'drizzle-orm/pg-core';
import { drizzle as drizzleJs } from 'drizzle-orm/postgres-js';
import knexOf from 'knex';
import { CamelCasePlugin, Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import postgres from 'postgres';
import { DataSource, EntitySchema } from 'typeorm';
import { PrismaClient } from '../fixtures/prisma/client.js';
import { rejection } from '../support/app.js';
import { postgresBinaries } from '../support/postgres.js';
import { shopOn, transactionGround } from '../support/transactions.js';

const WAIT = { timeout: '20s' } as const;

/** A transaction that inserts an order and calls `work`. */
type InTransaction = (
  order: string,
  work: (transaction: TransactionOption) => Promise<void>,
) => Promise<void>;

interface Library {
  /** Opens the library. `outside`: what stands for a call without a transaction, if there is one. */
  open(t: TestContext, url: string): Promise<{ run: InTransaction; outside?: TransactionOption }>;
}

const orders = pgTable('orders', { id: text('id').primaryKey() });

const libraries: Readonly<Record<string, Library>> = {
  'postgres.js': {
    open: async (t, url) => {
      const sql = postgres(url, { max: 2, onnotice: () => undefined, transform: postgres.toCamel as never });
      t.after(() => sql.end());
      return {
        run: async (order, work) => {
          await sql.begin(async (tx) => {
            await tx`INSERT INTO orders VALUES (${order})`;
            await work(fromPostgresJs(tx));
          });
        },
      };
    },
  },
  'Drizzle on pg': {
    open: async (t, url) => {
      const pool = new pg.Pool({ connectionString: url });
      t.after(() => pool.end());
      const db = drizzlePg(pool);
      return {
        run: (order, work) =>
          db.transaction(async (tx) => {
            await tx.insert(orders).values({ id: order });
            await work(fromDrizzle(tx));
          }),
      };
    },
  },
  'Drizzle on postgres.js': {
    open: async (t, url) => {
      const sql = postgres(url, { max: 2, onnotice: () => undefined });
      t.after(() => sql.end());
      const db = drizzleJs(sql);
      return {
        run: (order, work) =>
          db.transaction(async (tx) => {
            await tx.insert(orders).values({ id: order });
            await work(fromDrizzle(tx));
          }),
      };
    },
  },
  Kysely: {
    open: async (t, url) => {
      const dialect = new PostgresDialect({ pool: new pg.Pool({ connectionString: url }) });
      const db = new Kysely<{ orders: { id: string } }>({ dialect, plugins: [new CamelCasePlugin()] });
      t.after(() => db.destroy());
      return {
        run: (order, work) =>
          db.transaction().execute(async (trx) => {
            await trx.insertInto('orders').values({ id: order }).execute();
            await work(fromKysely(trx));
          }),
      };
    },
  },
  Knex: {
    open: async (t, url) => {
      const knex = knexOf({ client: 'pg', connection: url });
      t.after(() => knex.destroy());
      return {
        run: (order, work) =>
          knex.transaction(async (trx) => {
            await trx('orders').insert({ id: order });
            await work(fromKnex(trx));
          }),
      };
    },
  },
  Prisma: {
    open: async (t, url) => {
      const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: url }) });
      t.after(() => prisma.$disconnect());
      return {
        run: (order, work) =>
          prisma.$transaction(async (tx) => {
            await tx.orders.create({ data: { id: order } });
            await work(fromPrisma(tx));
          }),
        outside: fromPrisma(prisma as never),
      };
    },
  },
  TypeORM: {
    open: async (t, url) => {
      const entity = new EntitySchema<{ id: string }>({
        name: 'orders',
        columns: { id: { type: 'text', primary: true } },
      });
      const source = await new DataSource({ type: 'postgres', url, entities: [entity] }).initialize();
      t.after(() => source.destroy());
      return {
        run: (order, work) =>
          source.transaction(async (manager) => {
            await manager.insert(entity, { id: order });
            await work(fromTypeOrm(manager));
          }),
        outside: fromTypeOrm(source.manager),
      };
    },
  },
  MikroORM: {
    open: async (t, url) => {
      const entity = new MikroSchema<{ id: string }>({
        name: 'orders',
        properties: { id: { type: 'text', primary: true } },
      });
      const orm = await MikroORM.init({ clientUrl: url, entities: [entity], connect: false });
      t.after(() => orm.close());
      return {
        run: (order, work) =>
          orm.em.fork().transactional(async (em) => {
            await em.insert(entity, { id: order });
            await work(fromMikroOrm(em));
          }),
        outside: fromMikroOrm(orm.em.fork()),
      };
    },
  },
};

describe('A call in a transaction of', { skip: postgresBinaries() === undefined }, () => {
  const ground = transactionGround();

  for (const [name, { open }] of Object.entries(libraries)) {
    it(`${name} is there at the commit, or never`, async (t) => {
      const { app, ship, worker } = shopOn(t, ground.server.url);
      const { run, outside } = await open(t, ground.server.url);
      await worker();
      const order = `${name}'s "order" \\ ? $1 :x {y} @z % \u0000`;
      const unique = { mode: 'replace', key: () => 'one' } as const;
      const sent: { exists(): Promise<boolean>; get(options: typeof WAIT): Promise<unknown> }[] = [];
      await run(`${name} 1`, async (transaction) => {
        sent.push(await ship.applyAsync([order], { transaction }));
        sent.push(await ship.applyAsync([order], { transaction, taskId: order, priority: 2 }));
        sent.push(await chain(ship.s(order), ship.s()).applyAsync([], { transaction }));
        sent.push(...(await app.publish([ship.s('a'), ship.s('b')], { transaction })));
        await ship.applyAsync(['old'], { transaction, unique, countdown: '1h' });
        sent.push(await ship.applyAsync(['new'], { transaction, unique }));
        const same = await rejection(ship.applyAsync(['x'], { transaction, taskId: order }));
        assert.ok(same instanceof DuplicateTaskError, String(same));
        for (const each of sent) assert.equal(await each.exists(), false);
        assert.ok((await rejection(sent[0]?.get(WAIT) ?? assert.fail())) instanceof UnknownTaskError);
      });
      assert.deepEqual(
        await Promise.all(sent.map((each) => each.get(WAIT))),
        [order, order, `shipped ${order}`, 'a', 'b', 'new'].map((what) => `shipped ${what}`),
      );
      const rolledBack = await rejection(
        run(`${name} 2`, async (transaction) => {
          sent.push(await ship.applyAsync(['undone'], { transaction }));
          throw new Error('no');
        }),
      );
      assert.match(String(rolledBack), /no/);
      assert.equal(await sent.at(-1)?.exists(), false);
      const { rows } = await ground.pool.query('SELECT id FROM orders WHERE id LIKE $1', [`${name} %`]);
      assert.deepEqual(rows, [{ id: `${name} 1` }]);
      if (outside === undefined) return;
      const none = await rejection(ship.applyAsync(['none'], { transaction: outside }));
      assert.ok(none instanceof OptionError, String(none));
      assert.match(none.message, /is in no transaction/);
    });
  }
});
