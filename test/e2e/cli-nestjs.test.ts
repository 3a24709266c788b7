/** `celeriac worker` with an app that is part of a Nest application: both end in order. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Celeriac } from '#src/index.js';
import { type ProjectFiles, project, startCli } from '../support/cli.js';
import { type RedisServer, startRedis } from '../support/redis.js';

let redis: RedisServer;
// A redis-server that is waited for holds no event loop open, and between two commands nothing else does.
const alive = setInterval(() => undefined, 1000);
before(async () => {
  redis = await startRedis();
});
after(() => redis.close().finally(() => clearInterval(alive)));

const NEST = ['@swc/core', '@nestjs/common', '@nestjs/core', 'rxjs', 'reflect-metadata'];

function shop(prefix: string, enableHooks: boolean): ProjectFiles {
  return {
    'package.json': '{ "type": "module" }',
    'tsconfig.json':
      '{ "compilerOptions": { "experimentalDecorators": true, "emitDecoratorMetadata": true } }',
    'worker.ts': `
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Celeriac, Task, TaskService } from 'celeriac';
import { CeleriacModule } from 'celeriac/nestjs';

@Injectable()
class Database {
  open = true;
  onModuleDestroy(): void { this.open = false; console.log('database closed'); }
  onApplicationShutdown(signal?: string): void { console.log('application ended by ' + signal); }
}

@Injectable()
class Orders extends TaskService {
  constructor(private readonly database: Database) { super(); }
  @Task('pack')
  async pack(): Promise<void> {
    console.log('packing');
    while (!existsSync('finish')) await sleep(5);
    console.log(this.database.open ? 'packed' : 'packed without a database');
  }
}

@Module({
  imports: [CeleriacModule.forRoot({ name: 'shop', prefix: '${prefix}', broker: '${redis.url}' })],
  providers: [Database, Orders],
})
class AppModule {}

const application = await NestFactory.createApplicationContext(AppModule, { logger: false });
${enableHooks ? 'application.enableShutdownHooks();' : ''}
export const app = application.get(Celeriac);
`,
  };
}

describe('celeriac worker in a Nest application', () => {
  for (const enableHooks of [false, true]) {
    const how = enableHooks ? 'with' : 'without';
    it(`closes it at SIGTERM, after the running tasks, ${how} enableShutdownHooks()`, async (t) => {
      const prefix = `nest-${how}`;
      const cwd = project(t, shop(prefix, enableHooks), NEST);
      const worker = startCli(t, ['worker', '-A', 'worker'], { cwd });
      await worker.printed(/ready/);
      const app = new Celeriac('shop', { prefix, broker: redis.url });
      t.after(() => app.close());
      await app.sendTask('pack', []);
      await worker.printed(/^packing$/m);
      worker.kill('SIGTERM');
      // Whoever listens for the signal has it by now.
      await worker.printed(/SIGTERM: warm shutdown, 1 task is running/);
      writeFileSync(join(cwd, 'finish'), '');
      const { code, stdout } = await worker.ended;
      const lines = stdout.split('\n').filter((line) => /^(packed|database|application)/.test(line));
      assert.deepEqual(lines, ['packed', 'database closed', 'application ended by SIGTERM']);
      assert.equal(code, 0);
    });
  }
});
