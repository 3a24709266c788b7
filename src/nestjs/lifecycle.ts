/**
 * The app's life cycle inside a Nest application: registers the providers that have tasks, starts the worker after
 * everything else has started, stops it before anything else stops, and closes the app at the very end. Under the
 * command line, which has only the app, it also closes the application.
 */
import type {
  InjectionToken,
  OnApplicationBootstrap,
  OnApplicationShutdown,
  OnModuleDestroy,
  OnModuleInit,
} from '@nestjs/common';
import type { ModulesContainer } from '@nestjs/core';
import type { Celeriac } from '../app.js';
import { type AppHost, setHost } from '../app-host.js';
import { declaredTasks } from '../tasks/declaration.js';
import type { ServiceClass } from '../tasks/registry.js';
import { threadHost } from '../worker/threads/host.js';
import type { Worker } from '../worker/worker.js';
import { bootstrapFile } from './bootstrap-file.js';
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
    /** Where a relative `bootstrap` begins. */
    private readonly beside?: string | undefined,
  ) {}

  onModuleInit(): void {
    const registered = new Set<ServiceClass>();
    for (const module of this.modules.values())
      for (const wrapper of module.providers.values()) this.#register(wrapper, registered);
    const thread = threadHost();
    // A thread or process that a worker has started runs the tasks of that one.
    if (thread !== undefined) this.#attend({ onApplicationBootstrap: () => thread.started?.(this.app) });
    else if (this.options.worker !== undefined && this.options.worker !== false)
      this.#attend({
        onApplicationBootstrap: () => this.#startWorker(),
        onModuleDestroy: () => this.#worker?.stop(),
      });
    setHost(this.app, this);
  }

  /** Closes the application like its own `close`, which a module cannot reach. */
  close(signal: string): Promise<void> {
    this.#closing ??= this.#callHooks(signal);
    return this.#closing;
  }

  /** Closes the app; all code that might call a task has been asked to stop by now. */
  async onApplicationShutdown(): Promise<void> {
    this.#closing ??= Promise.resolve();
    await this.#worker?.stop();
    // An app that the user passed in is never closed here.
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
    // A service provided by several modules is registered once.
    if (registered.has(cls)) return;
    registered.add(cls);
    // Nest's own instance has its dependencies, so it replaces an earlier registration of the class.
    this.app.register(service, { replace: true });
  }

  /**
   * Nest starts deep modules first and stops them last, and a global module is the deepest. A worker has to start last
   * and stop first, while the dependencies of its tasks still work, so its hooks are attached to the root module.
   */
  #attend(hooks: Partial<OnApplicationBootstrap & OnModuleDestroy>): void {
    const [root] = [...this.modules.values()].sort((a, b) => a.distance - b.distance);
    root?.addProvider({ provide: Symbol('celeriac: worker') as InjectionToken, useValue: hooks });
  }

  async #startWorker(): Promise<void> {
    const { worker, bootstrap } = this.options;
    const given = typeof worker === 'object' ? worker : {};
    const named = given.module === undefined && bootstrap !== undefined;
    this.#worker = this.app.worker(
      named ? { ...given, module: bootstrapFile(bootstrap, this.beside) } : given,
    );
    await this.#worker.start();
  }
}

/** The instance of a provider that has tasks; its class if each use gets an instance of its own. */
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
