/**
 * Code of others at its worst, in every process of a fault campaign: a logger, listeners and middleware that throw now and
 * then. None of it may show in the ledger but for what the API says: a call that its middleware refused was not sent.
 */
import type { Celeriac, Logger } from 'celeriac';
import { randomFrom } from './fault-plan.js';

/** How often each throws, of 1. */
const SHARE = 0.1;
/** Added to every call by one middleware and looked for by another. */
const HEADER = 'campaign';

/** What foreign code throws. */
export class HostileError extends Error {
  override readonly name = 'HostileError';

  constructor(
    message: string,
    readonly code: 'BEFORE' | 'AFTER' | 'BARRED' | 'LOGGER' | 'LISTENER' | 'HOOK',
  ) {
    super(message);
  }
}

/** Other numbers in each process: what fails must not hang on when it throws. */
const random = randomFrom(process.pid);
const sometimes = () => random() < SHARE;

/** Throws now and then, as a hook or a listener may: at once, or by what it returns. */
export function misbehave(code: HostileError['code']): unknown {
  if (sometimes()) throw new HostileError('thrown at once', code);
  return sometimes() ? Promise.reject(new HostileError('rejected', code)) : undefined;
}

/** A logger that says nothing, and throws now and then. */
export const hostileLogger: Logger = {
  debug: () => misbehave('LOGGER') as undefined,
  info: () => misbehave('LOGGER') as undefined,
  warn: () => misbehave('LOGGER') as undefined,
  error: () => misbehave('LOGGER') as undefined,
};

const EVENTS = ['task-sent', 'task-received', 'task-started', 'task-succeeded', 'task-failed'] as const;

/** Listeners and middleware for an app. The middleware is synchronous: what it throws is thrown through whoever calls. */
export function addHostility(app: Celeriac, options: { readonly sends: boolean }): void {
  for (const event of EVENTS) app.on(event, () => misbehave('LISTENER') as undefined);
  app.use({
    run: (context, next) => {
      const { name } = context.request;
      if (name === 'barred') throw new HostileError('the middleware lets nobody in', 'BARRED');
      // The task fails by it, which shows in the ledger.
      if (context.headers[HEADER] !== name) throw new HostileError(`${name} lost its headers`, 'BEFORE');
      return next();
    },
  });
  if (!options.sends) return;
  app.use({
    publish: (context, next) => {
      context.headers[HEADER] = context.name;
      if (sometimes()) throw new HostileError('the middleware refuses the call', 'BEFORE');
      const sent = next();
      // Whoever makes the call again can tell by the id only that it had arrived.
      if (context.options.taskId === undefined || !sometimes()) return sent;
      return sent.then(() => {
        throw new HostileError('the middleware fails after the call', 'AFTER');
      });
    },
  });
}
