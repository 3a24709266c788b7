/**
 * What compiles as a transaction, for each library's own types. Compiled together with the tests, and never run: beside the
 * other tests of types, the types of the libraries themselves would be checked too.
 */
import type { EntityManager as MikroManager } from '@mikro-orm/postgresql';
import { Celeriac, chain } from 'celeriac';
import {
  fromDrizzle,
  fromKnex,
  fromKysely,
  fromMikroOrm,
  fromPostgresJs,
  fromPrisma,
  fromTypeOrm,
} from 'celeriac/transactions';
import type { NodePgDatabase } from 'drizzle-orm/node-postgres';
import type { PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import type { Knex } from 'knex';
import type { Kysely, Transaction as KyselyTransaction } from 'kysely';
import type pg from 'pg';
import type postgres from 'postgres';
import type { EntityManager, QueryRunner } from 'typeorm';
import type { Prisma, PrismaClient } from '../fixtures/prisma/client.js';

interface Given {
  readonly client: pg.Client;
  readonly poolClient: pg.PoolClient;
  readonly pool: pg.Pool;
  readonly sql: postgres.Sql;
  readonly js: postgres.TransactionSql;
  readonly drizzleDb: NodePgDatabase;
  readonly drizzle: Parameters<Parameters<NodePgDatabase['transaction']>[0]>[0];
  readonly drizzleJs: Parameters<Parameters<PostgresJsDatabase['transaction']>[0]>[0];
  readonly kyselyDb: Kysely<{ orders: { id: string } }>;
  readonly kysely: KyselyTransaction<{ orders: { id: string } }>;
  readonly knexDb: Knex;
  readonly knex: Knex.Transaction;
  readonly prismaDb: PrismaClient;
  readonly prisma: Prisma.TransactionClient;
  readonly typeOrm: EntityManager;
  readonly runner: QueryRunner;
  readonly mikro: MikroManager;
}

export function neverRun(given: Given): void {
  const app = new Celeriac('types');
  const ship = app.task('ship', (order: string) => order);
  const send = ship.applyAsync;
  const { client, poolClient, pool, sql, js, drizzleDb, drizzle, drizzleJs } = given;
  const { kyselyDb, kysely, knexDb, knex, prismaDb, prisma, typeOrm, runner, mikro } = given;

  void send(['a'], { transaction: client });
  void send(['a'], { transaction: poolClient });
  void app.sendTask('ship', ['a'], { transaction: client });
  void app.publish([ship.s('a')], { transaction: client });
  void chain(ship.s('a')).applyAsync([], { transaction: client });
  for (const transaction of [
    fromPostgresJs(js),
    fromDrizzle(drizzle),
    fromDrizzle(drizzleJs),
    fromKysely(kysely),
    fromKnex(knex),
    fromPrisma(prisma),
    fromTypeOrm(typeOrm),
    fromTypeOrm(runner),
    fromMikroOrm(mikro),
  ])
    void send(['a'], { transaction });

  // Not a pool, and no library's own object.
  // @ts-expect-error each statement of a pool may run on another connection
  void send(['a'], { transaction: pool });
  // @ts-expect-error use fromDrizzle
  void send(['a'], { transaction: drizzle });
  // @ts-expect-error use fromKysely
  void send(['a'], { transaction: kysely });
  // @ts-expect-error use fromKnex
  void send(['a'], { transaction: knex });
  // @ts-expect-error use fromPrisma
  void send(['a'], { transaction: prisma });
  // @ts-expect-error use fromTypeOrm
  void send(['a'], { transaction: typeOrm });
  // @ts-expect-error use fromMikroOrm
  void send(['a'], { transaction: mikro });
  // @ts-expect-error use fromPostgresJs
  void send(['a'], { transaction: js });

  // Not what has no transaction.
  // @ts-expect-error the database, not its transaction
  fromPostgresJs(sql);
  // @ts-expect-error the database, not its transaction
  fromDrizzle(drizzleDb);
  // @ts-expect-error the database, not its transaction
  fromKysely(kyselyDb);
  // @ts-expect-error the database, not its transaction
  fromKnex(knexDb);
  // @ts-expect-error the database, not its transaction
  fromPrisma(prismaDb);

  // Not the transaction of another library.
  // @ts-expect-error a transaction of Kysely
  fromDrizzle(kysely);
  // @ts-expect-error a transaction of Knex
  fromDrizzle(knex);
  // @ts-expect-error an entity manager of MikroORM
  fromDrizzle(mikro);
  // @ts-expect-error a transaction of Drizzle
  fromKysely(drizzle);
  // @ts-expect-error a transaction of Drizzle
  fromKnex(drizzle);
  // @ts-expect-error a transaction of postgres.js
  fromKnex(js);
  // @ts-expect-error a transaction of Knex
  fromPostgresJs(knex);
  // @ts-expect-error a transaction of Drizzle
  fromPrisma(drizzle);
  // @ts-expect-error a client of pg, which needs no function
  fromTypeOrm(client);
  // @ts-expect-error an entity manager of MikroORM
  fromTypeOrm(mikro);
  // @ts-expect-error an entity manager of TypeORM
  fromMikroOrm(typeOrm);
  // @ts-expect-error a client of pg, which needs no function
  fromMikroOrm(client);

  // A signature is a value, which holds no transaction.
  // @ts-expect-error give it to applyAsync
  ship.s('a').set({ transaction: client });
  // @ts-expect-error a call in this process has none
  void ship.apply(['a'], { transaction: client });
}
