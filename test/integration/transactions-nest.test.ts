import 'reflect-metadata';
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Inject, Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { getDataSourceToken, TypeOrmModule } from '@nestjs/typeorm';
import { PrismaPg } from '@prisma/adapter-pg';
import { Celeriac, type Handles, Task, TaskService } from 'celeriac';
import { CeleriacModule, InjectTasks } from 'celeriac/nestjs';
import { fromPrisma, fromTypeOrm } from 'celeriac/transactions';
import { DataSource } from 'typeorm';
import { PrismaClient } from '../fixtures/prisma/client.js';
import { rejection, uniqueName } from '../support/app.js';
import { postgresBinaries } from '../support/postgres.js';
import { transactionGround } from '../support/transactions.js';

class Shipping extends TaskService {
  @Task('ship')
  async ship(order: string): Promise<string> {
    return `shipped ${order}`;
  }
}

@Injectable()
class Orders {
  constructor(
    @Inject(getDataSourceToken()) private readonly dataSource: DataSource,
    @Inject(PrismaClient) private readonly prisma: PrismaClient,
    @InjectTasks(Shipping) private readonly shipping: Handles<Shipping>,
  ) {}

  /** @returns the id of the task */
  async byTypeOrm(order: string, failure?: Error): Promise<string> {
    return this.dataSource.transaction(async (manager) => {
      await manager.query('INSERT INTO orders (id) VALUES ($1)', [order]);
      const { id } = await this.shipping.ship.applyAsync([order], {
        transaction: fromTypeOrm(manager),
        taskId: order,
      });
      if (failure !== undefined) throw failure;
      return id;
    });
  }

  /** @returns the id of the task */
  async byPrisma(order: string, failure?: Error): Promise<string> {
    return this.prisma.$transaction(async (tx) => {
      await tx.orders.create({ data: { id: order } });
      const { id } = await this.shipping.ship.applyAsync([order], {
        transaction: fromPrisma(tx),
        taskId: order,
      });
      if (failure !== undefined) throw failure;
      return id;
    });
  }
}

describe('A call in a transaction of a Nest application', { skip: postgresBinaries() === undefined }, () => {
  const ground = transactionGround();

  for (const way of ['byTypeOrm', 'byPrisma'] as const) {
    it(`is there at the commit, or never: ${way}`, async (t) => {
      const { url } = ground.server;
      const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: url }) });
      t.after(() => prisma.$disconnect());
      @Module({
        imports: [
          TypeOrmModule.forRoot({ type: 'postgres', url }),
          CeleriacModule.forRoot({
            name: 'shop',
            broker: url,
            prefix: uniqueName(),
            migrate: true,
            worker: { concurrency: 2 },
          }),
        ],
        providers: [Shipping, Orders, { provide: PrismaClient, useValue: prisma }],
      })
      class Shop {}
      const nest = await NestFactory.createApplicationContext(Shop, { logger: false });
      t.after(() => nest.close());
      const app = nest.get(Celeriac);
      const id = await nest.get(Orders)[way](`${way} 1`);
      assert.equal(await app.result(id).get({ timeout: '20s' }), `shipped ${way} 1`);
      await rejection(nest.get(Orders)[way](`${way} 2`, new Error('no')));
      assert.equal(await app.result(`${way} 2`).exists(), false);
    });
  }
});
