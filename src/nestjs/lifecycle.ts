/**
 * The app's life inside a Nest application: registers the providers that have tasks, starts the worker when everything
 * else has started, stops it before anything else stops, and closes the app at the very end. Under the command line, which
 * has only the app, it closes the application.
 */
import type { InjectionToken, OnApplicationShutdown, OnModuleInit } from '@nestjs/common';
import type { ModulesContainer } from '@nestjs/core';
import type { Celeriac } from '../app.js';
import { type AppHost, setHost } from '../app-host.js';
import { declaredTasks } from '../tasks/declaration.js';
import type { ServiceClass } from '../tasks/registry.js';
import type { Worker } from '../worker/worker.js';
import type { CeleriacModuleOptions } from './module-options.js';
import { nestHooks } from './packages.js';

type NestModule = ModulesContainer extends Map<string, infer M> ? M : never;
type Wrapper = NestModule['providers'] extends Map<unknown, infer W> ? W : never;

export class Lifecycle implements OnModuleInit, OnApplicationShutdown, AppHost {
  #worker: Worker | undefined;
  #closing: Promise<void> | undefined;

  constructor(
    private readonly app: Celeriac,
    private readonly options: CeleriacModuleOptions,
    private readonly modules: ModulesContainer,
  ) {}

  onModuleInit(): void {
    const registered = new Set<ServiceClass>();
    for (const module of this.modules.values())
      for (const wrapper of module.providers.values()) this.#register(wrapper, registered);
    if (this.options.worker !== undefined && this.options.worker !== false) this.#attend();
    setHost(this.app, this);
  }

  /** Closes the application as its own `close` would: that is out of reach from in here. */
  close(signal: string): Promise<void> {
    this.#closing ??= this.#callHooks(signal);
    return this.#closing;
  }

  /** Everything that might still call a task has been told to stop by now. */
  async onApplicationShutdown(): Promise<void> {
    this.#closing ??= Promise.resolve();
    await this.#worker?.stop();
    // What is the caller's is never closed by us.
    if (this.options.app === undefined) await this.app.close();
  }

  async #callHooks(signal: string): Promise<void> {
    const { callModuleDestroyHook, callBeforeAppShutdownHook, callAppShutdownHook } = nestHooks();
    const modules = [...this.modules.values()].sort((a, b) => a.distance - b.distance);
    for (const module of modules) await callModuleDestroyHook(module);
    for (const module of modules) await callBeforeAppShutdownHook(module, signal);
    for (const module of modules) await callAppShutdownHook(module, signal);
  }

  #register(wrapper: Wrapper, registered: Set<ServiceClass>): void {
    const service = serviceOf(wrapper);
    if (service === undefined) return;
    const cls = (typeof service === 'function' ? service : service.constructor) as ServiceClass;
    // Provided by several modules, it is one service all the same.
    if (registered.has(cls)) return;
    registered.add(cls);
    // Nest's own instance is the one with its dependencies, whoever registered the class before.
    this.app.register(service, { replace: true });
  }

  /**
   * Nest starts deep modules first and stops them last, and a global module is deeper than all. A worker has to start
   * last and stop first, while what its tasks need still works: so its hooks are the root module's.
   */
  #attend(): void {
    const [root] = [...this.modules.values()].sort((a, b) => a.distance - b.distance);
    const hooks = {
      onApplicationBootstrap: () => this.#startWorker(),
      onModuleDestroy: () => this.#worker?.stop(),
    };
    root?.addProvider({ provide: Symbol('celeriac: worker') as InjectionToken, useValue: hooks });
  }

  async #startWorker(): Promise<void> {
    const { worker } = this.options;
    this.#worker = this.app.worker(typeof worker === 'object' ? worker : {});
    await this.#worker.start();
  }
}

/** The instance of a provider that has tasks; its class where each use gets an instance of its own. */
function serviceOf(wrapper: Wrapper): object | ServiceClass | undefined {
  if (wrapper.isAlias) return undefined;
  if (!wrapper.isDependencyTreeStatic() || wrapper.isTransient) {
    const cls: unknown = wrapper.metatype;
    const isClass = typeof cls === 'function' && hasTasks(cls.prototype);
    return isClass && wrapper.inject == null ? (cls as unknown as ServiceClass) : undefined;
  }
  const instance: unknown = wrapper.instance;
  if (typeof instance !== 'object' || instance === null) return undefined;
  return hasTasks(Object.getPrototypeOf(instance)) ? instance : undefined;
}

function hasTasks(prototype: unknown): boolean {
  return typeof prototype === 'object' && prototype !== null && declaredTasks(prototype).size > 0;
}
