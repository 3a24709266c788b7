/**
 * `celeriac/nestjs`: an app as a Nest module. Services with tasks are ordinary providers; callers inject their handles.
 * Nest is a peer, loaded only when this is used.
 */
import type { DynamicModule, Provider } from '@nestjs/common';
import type { ModuleRef, ModulesContainer } from '@nestjs/core';
import { Celeriac } from './app.js';
import { folderOfCaller } from './nestjs/bootstrap-file.js';
import { taskProviders } from './nestjs/injected-tasks.js';
import { Lifecycle } from './nestjs/lifecycle.js';
import {
  appOf,
  type CeleriacModuleAsyncOptions,
  type CeleriacModuleOptions,
} from './nestjs/module-options.js';
import { nestCore } from './nestjs/packages.js';
import { checkNames } from './options/names.js';
import { threadHost } from './worker/threads/host.js';

export { InjectTasks } from './nestjs/injected-tasks.js';
export type { CeleriacModuleAsyncOptions, CeleriacModuleOptions } from './nestjs/module-options.js';

/**
 * Makes an app and provides it to Nest: `Celeriac` and `@InjectTasks` can be injected, and every provider with `@Task`
 * methods is registered.
 *
 * @example
 * \@Module({
 *   imports: [CeleriacModule.forRoot({ name: 'reports', broker: 'redis://localhost:6379/0', worker: { concurrency: 4 } })],
 *   providers: [ReportService],
 * })
 * export class AppModule {}
 */
// biome-ignore lint/complexity/noStaticOnlyClass: Nest knows modules by their classes
export class CeleriacModule {
  /** The module, with fixed options. @throws {OptionError} for an invalid option, when the application starts */
  static forRoot(options: CeleriacModuleOptions & { isGlobal?: boolean } = {}): DynamicModule {
    const { isGlobal = true, ...own } = options;
    const beside = folderOfCaller(CeleriacModule.forRoot);
    return dynamicModule(isGlobal, undefined, beside, { provide: OPTIONS, useValue: own });
  }

  /** The module, with options from other providers. */
  static forRootAsync(options: CeleriacModuleAsyncOptions): DynamicModule {
    checkNames(options, ['imports', 'inject', 'useFactory', 'isGlobal'], 'CeleriacModule.forRootAsync');
    const { imports, inject = [], useFactory, isGlobal = true } = options;
    const beside = folderOfCaller(CeleriacModule.forRootAsync);
    return dynamicModule(isGlobal, imports, beside, { provide: OPTIONS, inject, useFactory });
  }
}

const OPTIONS = Symbol('celeriac: options');
const LIFECYCLE = Symbol('celeriac: lifecycle');

function dynamicModule(
  global: boolean,
  imports: DynamicModule['imports'],
  beside: string | undefined,
  optionsProvider: Provider,
): DynamicModule {
  const { ModuleRef: Ref, ModulesContainer: Modules } = nestCore();
  threadHost()?.expect?.();
  const app: Provider = {
    provide: Celeriac,
    inject: [OPTIONS, Ref],
    useFactory: (options: CeleriacModuleOptions, moduleRef: ModuleRef) => appOf(options, moduleRef),
  };
  const lifecycle: Provider = {
    provide: LIFECYCLE,
    inject: [Celeriac, OPTIONS, Modules],
    useFactory: (celeriac: Celeriac, options: CeleriacModuleOptions, modules: ModulesContainer) =>
      new Lifecycle(celeriac, options, modules, beside),
  };
  return {
    module: CeleriacModule,
    global,
    ...(imports !== undefined && { imports }),
    // Read when Nest scans its modules: by then all files are loaded, and all `@InjectTasks` have run.
    get providers() {
      return [optionsProvider, app, lifecycle, ...taskProviders()];
    },
    get exports() {
      return [Celeriac, ...taskProviders().map(({ provide }) => provide)];
    },
  };
}
