import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Global, Injectable, Module, type OnModuleDestroy, Scope, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { Celeriac, type Handles, OptionError, Task, TaskService } from 'celeriac';
import { CeleriacModule, InjectTasks } from 'celeriac/nestjs';
import { gate, onEveryEngine, rejection, uniqueName, until, within } from '../support/app.js';

@Injectable()
class Prices implements OnModuleDestroy {
  closed = false;

  of(item: string): number {
    if (this.closed) throw new Error('the price list is closed');
    return item.length;
  }

  onModuleDestroy(): void {
    this.closed = true;
  }
}

const begun = gate();
const mayEnd = gate();

@Injectable()
class OrderService extends TaskService {
  readonly #prices: Prices;

  constructor(prices: Prices) {
    super();
    this.#prices = prices;
  }

  @Task('orders.total')
  async total(items: string[]): Promise<number> {
    return items.reduce((sum, item) => sum + this.#prices.of(item), 0);
  }

  @Task('orders.slow')
  async slow(): Promise<number> {
    begun.open();
    await mayEnd.opened;
    return this.#prices.of('four');
  }
}

/** Provided by a factory, under a token of its own. */
class MailService extends TaskService {
  constructor(private readonly from: string) {
    super();
  }

  @Task('mail.send')
  async send(to: string): Promise<string> {
    return `${this.from} → ${to}`;
  }
}

@Injectable({ scope: Scope.REQUEST })
class AuditService extends TaskService {
  constructor(private readonly prices: Prices) {
    super();
  }

  @Task('audit.note')
  async note(what: string): Promise<number> {
    return this.prices.of(what);
  }
}

/** What a controller would be. */
@Injectable()
class Shop {
  @InjectTasks(MailService) readonly mail!: Handles<MailService>;

  constructor(
    @InjectTasks(OrderService) readonly orders: Handles<OrderService>,
    @InjectTasks(AuditService) readonly audit: Handles<AuditService>,
    readonly app: Celeriac,
  ) {}
}

const mailProvider = { provide: 'MAIL', useFactory: () => new MailService('shop') };

onEveryEngine((ground) => {
  const broker = () =>
    ({ broker: ground.url, prefix: uniqueName(), migrate: true, publishRetry: '20s' }) as const;
  const worker = { concurrency: 4, shutdownTimeout: '10s' } as const;

  describe('CeleriacModule', () => {
    it('runs providers as tasks, with their dependencies, and injects typed handles and the app', async (t) => {
      @Module({
        imports: [CeleriacModule.forRoot({ name: 'shop', ...broker(), worker })],
        providers: [Prices, OrderService, mailProvider, Shop],
      })
      class AppModule {}
      const context = await start(t, AppModule);
      const shop = context.get(Shop);
      const total: number = await (await shop.orders.total.delay(['a', 'bc'])).get({ timeout: '20s' });
      assert.equal(total, 3);
      assert.equal(await (await shop.mail.send.delay('me')).get({ timeout: '20s' }), 'shop → me');
      assert.equal(shop.app, context.get(Celeriac));
      assert.equal(shop.app.name, 'shop');
      const registered = await until(
        async () => Object.values(await shop.app.inspect().registered())[0],
        'a node',
      );
      assert.deepEqual(registered, ['mail.send', 'orders.slow', 'orders.total']);
    });

    it('runs tasks in threads, each with an application context of its own, closed at its end', async (t) => {
      const log = join(mkdtempSync(join(tmpdir(), 'celeriac-')), 'log');
      t.after(() => rmSync(dirname(log), { recursive: true }));
      Object.assign(process.env, { NEST_BROKER: ground.url, NEST_PREFIX: uniqueName(), NEST_LOG: log });
      // The broker of a module is read as it loads.
      const { MoneyModule } = (await import(
        `../fixtures/threads/nest-module.js?on=${ground.engine}`
      )) as typeof import('../fixtures/threads/nest-module.js');
      const context = await NestFactory.createApplicationContext(MoneyModule, { logger: false });
      t.after(() => context.close());
      const app = context.get(Celeriac);
      const sent = await Promise.all([
        app.sendTask('money.convert', [2]),
        app.sendTask('money.convert', [3]),
      ]);
      const values = await Promise.all(sent.map((each) => each.get({ timeout: '30s' })));
      assert.deepEqual(values, [
        [4, false],
        [6, false],
      ]);
      await context.close();
      assert.deepEqual(readFileSync(log, 'utf8').trim().split('\n').sort(), [
        'main closed after 0',
        'thread closed after 2',
      ]);
    });

    it('serves a process that only calls: the service is not provided there', async (t) => {
      const where = broker();
      @Module({ imports: [CeleriacModule.forRoot(where)], providers: [Shop] })
      class WebModule {}
      @Module({
        imports: [CeleriacModule.forRoot({ ...where, worker })],
        providers: [Prices, OrderService],
      })
      class WorkerModule {}
      const web = await start(t, WebModule);
      const sent = await web.get(Shop).orders.total.delay(['abc']);
      await start(t, WorkerModule);
      assert.equal(await sent.get({ timeout: '20s' }), 3);
    });

    it('takes its options from other providers', async (t) => {
      const where = broker();
      @Module({ providers: [{ provide: 'CONFIG', useValue: where }], exports: ['CONFIG'] })
      class ConfigModule {}
      @Module({
        imports: [
          CeleriacModule.forRootAsync({
            imports: [ConfigModule],
            inject: ['CONFIG'],
            useFactory: async (config: typeof where) => ({ name: 'later', ...config, worker }),
          }),
        ],
        providers: [Prices, OrderService, Shop],
      })
      class AppModule {}
      const context = await start(t, AppModule);
      assert.equal(context.get(Celeriac).name, 'later');
      const { orders } = context.get(Shop);
      assert.equal(await (await orders.total.delay(['abcd'])).get({ timeout: '20s' }), 4);
    });

    it('stops its worker before what the tasks need is stopped', async (t) => {
      @Module({ providers: [Prices], exports: [Prices] })
      class PricesModule {}
      @Module({ imports: [PricesModule], providers: [OrderService], exports: [OrderService] })
      class OrderModule {}
      const where = broker();
      @Module({ imports: [CeleriacModule.forRoot({ ...where, worker }), OrderModule], providers: [Shop] })
      class AppModule {}
      const context = await start(t, AppModule);
      const sent = await context.get(Shop).orders.slow.delay();
      await within(begun.opened, 'the task to begin');
      const closing = context.close();
      mayEnd.open();
      await within(closing, 'the end of the application');
      const other = new Celeriac('reader', where);
      t.after(() => other.close());
      assert.equal(await other.result(sent.id).get({ timeout: '20s' }), 4);
    });

    it('gives a service that is no singleton an instance of its own', async (t) => {
      @Module({
        imports: [CeleriacModule.forRoot({ ...broker(), worker })],
        providers: [Prices, AuditService, Shop],
      })
      class AppModule {}
      const context = await start(t, AppModule);
      assert.equal(await (await context.get(Shop).audit.note.delay('xyz')).get({ timeout: '20s' }), 3);
    });

    it('makes a service that no module provides through the container all the same', async (t) => {
      @Global()
      @Module({ providers: [Prices], exports: [Prices] })
      class PricesModule {}
      @Module({ imports: [CeleriacModule.forRoot(broker()), PricesModule] })
      class AppModule {}
      const context = await start(t, AppModule);
      const app = context.get(Celeriac);
      const orders = app.register(OrderService);
      await app.worker({ concurrency: 1 }).start();
      assert.equal(await (await orders.total.delay(['ab'])).get({ timeout: '20s' }), 2);
    });

    it('uses an app made elsewhere, and leaves it open', async (t) => {
      const { app } = ground.app(t);
      @Module({
        imports: [CeleriacModule.forRoot({ app, worker })],
        providers: [Prices, OrderService, Shop],
      })
      class AppModule {}
      const context = await start(t, AppModule);
      assert.equal(context.get(Celeriac), app);
      const sent = await context.get(Shop).orders.total.delay(['a']);
      assert.equal(await sent.get({ timeout: '20s' }), 1);
      await context.close();
      assert.equal(await sent.status, 'SUCCESS');
      await assert.rejects(
        NestFactory.createApplicationContext(
          { module: class {}, imports: [CeleriacModule.forRoot({ app, prefix: 'x' })] },
          { logger: false, abortOnError: false },
        ),
        OptionError,
      );
    });
  });
});

describe('CeleriacModule without a broker', () => {
  it('works in a testing module, eagerly', async (t) => {
    const fixture = await Test.createTestingModule({
      imports: [CeleriacModule.forRoot({ broker: 'redis://127.0.0.1:1', taskAlwaysEager: true })],
      providers: [Prices, OrderService, Shop],
    }).compile();
    await fixture.init();
    t.after(() => fixture.close());
    assert.equal(await (await fixture.get(Shop).orders.total.delay(['ab', 'c'])).get(), 3);
  });

  it('tells Nest which token is missing where it is not global', async () => {
    @Module({ providers: [Shop] })
    class Other {}
    const module = {
      module: class {},
      imports: [CeleriacModule.forRoot({ broker: 'redis://127.0.0.1:1', isGlobal: false }), Other],
    };
    const starting = NestFactory.createApplicationContext(module, { logger: false, abortOnError: false });
    assert.match((await rejection(starting)).message, /tasks of OrderService|Celeriac/);
  });

  it('says what to install when Nest is missing', (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'celeriac-without-nest-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const root = dirname(fileURLToPath(import.meta.resolve('celeriac/package.json')));
    const own = join(folder, 'node_modules/celeriac');
    mkdirSync(own, { recursive: true });
    cpSync(join(root, 'dist'), join(own, 'dist'), { recursive: true });
    cpSync(join(root, 'package.json'), join(own, 'package.json'));
    for (const name of readdirSync(join(root, 'node_modules')))
      if (!name.startsWith('.') && name !== '@nestjs')
        symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name));
    const program = "import('celeriac/nestjs').then(({ CeleriacModule }) => CeleriacModule.forRoot({}))";
    writeFileSync(join(folder, 'main.mjs'), `await ${program};`);
    const { status, stderr } = spawnSync(process.execPath, [join(folder, 'main.mjs')], { encoding: 'utf8' });
    assert.equal(status, 1, stderr);
    assert.match(stderr, /OptionError: celeriac\/nestjs needs the package "@nestjs\/core".*npm install/s);
  });
});

async function start(t: TestContext, module: Type) {
  const context = await NestFactory.createApplicationContext(module, { logger: false, abortOnError: false });
  t.after(() => context.close());
  return context;
}
