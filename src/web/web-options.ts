/** The options of `web()`, checked. */
import { OptionError } from '../errors.js';
import { checkNames } from '../options/names.js';
import { show } from '../show.js';

/** What a request is about to do: `read` for all that changes nothing. */
export type WebAction =
  | 'read'
  | 'call'
  | 'revoke'
  | 'retry'
  | 'delete'
  | 'run-now'
  | 'pause'
  | 'resume'
  | 'purge'
  | 'control'
  | 'schedule';

/** `true` lets a request in, `false` refuses it, a text lets it in and says who it is, for the audit. */
export type WebVerdict = boolean | string;

/** Options of `web()`. */
export interface WebOptions {
  /** Where it is mounted, such as `/queues`. Default: what the framework says, else `/`. */
  basePath?: string;
  /** Refuse everything that changes something, and show no actions. Default: false. */
  readOnly?: boolean;
  /** Decides about every request, those for the page's own files included. Default: all are let in. */
  authorize?: (request: Request, action: WebAction) => WebVerdict | Promise<WebVerdict>;
  /** Listen all the time, and keep the charts: `'memory'`, or a folder as `file:///…`. Default: only while somebody looks. */
  history?: string;
}

/** {@link WebOptions}, checked. */
export interface WebSettings {
  /** Without a slash at its end; undefined where the mount decides. */
  readonly basePath: string | undefined;
  readonly readOnly: boolean;
  readonly authorize: NonNullable<WebOptions['authorize']>;
  /** A folder, `true` for the memory, `false` for none. */
  readonly history: boolean | URL;
}

const NAMES: readonly (keyof WebOptions)[] = ['basePath', 'readOnly', 'authorize', 'history'];

/** @throws {OptionError} for an invalid option */
export function readWebOptions(options: WebOptions): WebSettings {
  const where = 'web()';
  checkNames(options, NAMES, where);
  const { basePath, readOnly = false, authorize = () => true, history } = options;
  if (typeof readOnly !== 'boolean')
    throw new OptionError(`${where}: readOnly ${show(readOnly)} must be true or false.`);
  if (typeof authorize !== 'function')
    throw new OptionError(`${where}: authorize ${show(authorize)} must be a function (request, action).`);
  return {
    basePath: basePath === undefined ? undefined : readBasePath(basePath, `${where}: basePath`),
    readOnly,
    authorize,
    history: readHistory(history, `${where}: history`),
  };
}

/** A path without the slash at its end. @throws {OptionError} */
export function readBasePath(path: unknown, where: string): string {
  if (typeof path === 'string' && /^\/[\w.~!$&'()*+,;=:@%/-]*$/.test(path) && !path.includes('//'))
    return path.replace(/\/$/, '');
  throw new OptionError(`${where} ${show(path)} is no path. Begin it with a slash, as in "/queues".`);
}

function readHistory(history: unknown, where: string): boolean | URL {
  if (history === undefined) return false;
  if (history === 'memory') return true;
  if (typeof history === 'string' && history.startsWith('file:///') && URL.canParse(history))
    return new URL(history.endsWith('/') ? history : `${history}/`);
  throw new OptionError(
    `${where} ${show(history)} is neither 'memory' nor the URL of a folder, such as file:///var/lib/celeriac.`,
  );
}
