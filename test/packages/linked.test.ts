/** A checkout that is linked into an application (`npm install ../celeriac`) shares the application's Nest. */
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { install, ran, temporary, unpacked, write } from '../support/installed.js';

const MAIN = `
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Celeriac, TaskService, Task } from 'celeriac';
import { CeleriacModule, InjectTasks } from 'celeriac/nestjs';

class Orders extends TaskService {
  async pack() {}
}
const pack = Object.getOwnPropertyDescriptor(Orders.prototype, 'pack');
Object.defineProperty(Orders.prototype, 'pack', Task('pack')(Orders.prototype, 'pack', pack) ?? pack);

class Desk {}
InjectTasks(Orders)(Desk.prototype, 'orders');
class AppModule {}
Module({
  imports: [CeleriacModule.forRoot({ name: 'shop', broker: 'redis://127.0.0.1:1/0' })],
  providers: [Orders, Desk],
})(AppModule);

const application = await NestFactory.createApplicationContext(AppModule, { logger: false, abortOnError: false });
console.log(application.get(Celeriac).name, application.get(Desk).orders.pack.name);
await application.close();
`;

it('A Nest module of a linked checkout works in the application, which has a Nest of its own', async (t) => {
  const packages = { '@nestjs/common': '^12.0.0', '@nestjs/core': '^12.0.0', rxjs: '^7.8.0' };
  const installed = await install(packages);
  const folder = temporary(t);
  const checkout = join(folder, 'celeriac');
  cpSync(await unpacked(t), checkout, { recursive: true });
  symlinkSync(installed, join(checkout, 'node_modules'));
  const modules = join(folder, 'shop/node_modules');
  mkdirSync(modules, { recursive: true });
  for (const name of readdirSync(installed).filter((each) => !each.startsWith('.')))
    if (name !== '@nestjs') symlinkSync(join(installed, name), join(modules, name));
  cpSync(join(installed, '@nestjs'), join(modules, '@nestjs'), { recursive: true });
  symlinkSync(checkout, join(modules, 'celeriac'));
  write(join(folder, 'shop'), { 'package.json': '{ "type": "module" }', 'main.js': MAIN });

  const inside = await ran(process.execPath, ['main.js'], { cwd: join(folder, 'shop') });
  assert.deepEqual(inside, { code: 0, output: 'shop pack\n' });
  const elsewhere = await ran(process.execPath, [join(folder, 'shop/main.js')], { cwd: folder });
  assert.deepEqual(elsewhere, { code: 0, output: 'shop pack\n' });
});
