/**
 * The options of `CeleriacModule.forRoot` and `forRootAsync`, and the app that is made from them.
 */
import type { FactoryProvider, LoggerService, ModuleMetadata } from '@nestjs/common';
import type { ModuleRef } from '@nestjs/core';
import { Celeriac } from '../app.js';
import type { Container } from '../app-options/container.js';
import type { CeleriacOptions } from '../app-options.js';
import { OptionError } from '../errors.js';
import type { Logger } from '../options/logger.js';
import { merge, present } from '../options/merge.js';
import type { WorkerOptions } from '../worker/worker-options.js';
import { nestCommon } from './packages.js';

/** Options of `CeleriacModule.forRoot`: those of `new Celeriac`, and those of the module. */
export interface CeleriacModuleOptions extends CeleriacOptions {
  /** The app's name. Default: `celeriac`. */
  name?: string;
  /** An app made elsewhere, instead of a name and options; it is not closed with the module. */
  app?: Celeriac;
  /** Start a worker when the application has started, and stop it before anything else stops. Default: no worker. */
  worker?: WorkerOptions | boolean;
  /**
   * The module that each thread of the worker loads for tasks with `pool: 'threads'`: it makes the application context.
   * Absolute, a file URL, or relative to the file that calls `forRoot`. Default: none.
   */
  bootstrap?: string;
}

/** Options of `CeleriacModule.forRootAsync`. */
export interface CeleriacModuleAsyncOptions {
  /** Modules whose exports `inject` names. */
  imports?: ModuleMetadata['imports'];
  /** Tokens of the arguments of `useFactory`. */
  inject?: FactoryProvider['inject'];
  /** Returns the options; its arguments are the providers that `inject` names. */
  useFactory: FactoryProvider<CeleriacModuleOptions>['useFactory'];
  /** Whether every module may inject the app and tasks without importing this one. Default: true. */
  isGlobal?: boolean;
}

/** The module's app: its services come from Nest's container, its log lines go to Nest's logger. */
export function appOf(options: CeleriacModuleOptions, moduleRef: ModuleRef): Celeriac {
  const { name = 'celeriac', app, worker: _, bootstrap: __, ...appOptions } = options;
  if (app === undefined)
    return new Celeriac(
      name,
      merge<CeleriacOptions>({ container: containerOf(moduleRef), logger: nestLogger() }, appOptions),
    );
  const others = Object.keys(present({ ...appOptions, name: options.name }));
  if (others.length === 0) return app;
  throw new OptionError(
    `CeleriacModule: with app the options ${others.join(', ')} have no meaning; give them to new Celeriac.`,
  );
}

/** Services of request or transient scope get one instance when the worker starts. */
function containerOf(moduleRef: ModuleRef): Container {
  return {
    async get<T>(cls: abstract new (...args: never[]) => T): Promise<T> {
      const service = cls as unknown as new () => T;
      try {
        return await moduleRef.resolve(service, undefined, { strict: false });
      } catch (error) {
        if (!isUnknown(error)) throw error;
      }
      // Registered by hand, without being a provider: its dependencies are injected all the same.
      return moduleRef.create(service);
    },
  };
}

function isUnknown(error: unknown): boolean {
  return error instanceof Error && error.constructor.name === 'UnknownElementException';
}

function nestLogger(): Logger {
  const { Logger: NestLogger } = nestCommon();
  const nest = new NestLogger('Celeriac');
  const line = (level: 'debug' | 'log' | 'warn') => (fields: object, message: string) =>
    nest[level](withFields(message, fields));
  return {
    debug: line('debug'),
    info: line('log'),
    warn: line('warn'),
    error: (fields, message) => logError(nest, fields, message),
  };
}

function logError(nest: LoggerService, fields: object, message: string): void {
  const { error, ...rest } = fields as { error?: unknown };
  nest.error(withFields(message, rest), error instanceof Error ? error.stack : undefined);
}

function withFields(message: string, fields: object): string {
  const shown = Object.entries(fields).map(([key, value]) => `${key}=${show(value)}`);
  return shown.length === 0 ? message : `${message} (${shown.join(' ')})`;
}

function show(value: unknown): string {
  if (value instanceof Error) return value.message;
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
