/**
 * `@InjectTasks(Service)`: the typed handles of a service, injected. The service itself need not be provided: a web
 * process calls tasks that a worker elsewhere runs.
 */
import type { FactoryProvider } from '@nestjs/common';
import { Celeriac } from '../app.js';
import { OptionError } from '../errors.js';
import { processWide } from '../process-wide.js';
import type { ServiceClass } from '../tasks/registry.js';
import { nestCommon } from './packages.js';

// Decorators run while modules load, before there is a container: the services they ask for are noted here, per
// process, and every CeleriacModule provides them.
const tokens = processWide('injected-tasks/1', () => new Map<ServiceClass, symbol>());

/**
 * Injects a service's handles, as `app.tasks(Service)` gives them, into a constructor parameter or a property. A class
 * without tasks is refused when the application starts.
 * @throws {OptionError} for anything but a class
 * @example constructor(@InjectTasks(ReportService) private readonly reports: Handles<ReportService>) {}
 */
export function InjectTasks(service: ServiceClass): PropertyDecorator & ParameterDecorator {
  if (typeof service !== 'function') {
    throw new OptionError(
      `@InjectTasks: give the class of a service, not ${String(service)}. Two files that import each other see undefined.`,
    );
  }
  // Whether the class has tasks is checked when Nest starts: inside the class itself, and if files import each other,
  // its methods are not decorated yet.
  const token = tokens.get(service) ?? Symbol(`celeriac: tasks of ${service.name}`);
  tokens.set(service, token);
  return nestCommon().Inject(token);
}

/** A provider for every service injected so far. */
export function taskProviders(): FactoryProvider[] {
  return [...tokens].map(([service, token]) => ({
    provide: token,
    inject: [Celeriac],
    useFactory: (app: Celeriac) => app.tasks(service),
  }));
}
