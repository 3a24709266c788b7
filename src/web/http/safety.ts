/**
 * Who may do what, before anything is done. In this order: the host that the request names, who sends it, where it was
 * sent from, whether changes are allowed at all. Pure but for `authorize`.
 *
 * A page of another origin can send requests with the browser's credentials, but it cannot set headers of its own without
 * being asked first, and is never allowed to. So `Origin`, `Sec-Fetch-Site` and `X-Forwarded-Host` are what the browser,
 * or a proxy in front of us, wrote.
 */
import type { WebAction, WebSettings } from '../web-options.js';
import type { BasicLogin } from './basic-login.js';
import { Refusal } from './refusal.js';

/** What the checks need. */
export interface Guard extends Pick<WebSettings, 'authorize' | 'readOnly'> {
  /** The hosts that a request may name, without port; undefined for any. */
  readonly hosts: ReadonlySet<string> | undefined;
  readonly login: BasicLogin | undefined;
}

/** A request, and what it is about to do. */
export interface Asked {
  readonly request: Request;
  readonly action: WebAction;
  /** It asks for a change, whether or not there is such a one. */
  readonly changes: boolean;
}

/**
 * Lets a request in, and says who sent it, as far as that is known.
 * @throws {Refusal}
 */
export async function admit(guard: Guard, { request, action, changes }: Asked): Promise<string | undefined> {
  checkHost(guard.hosts, request);
  const name = checkLogin(guard.login, request);
  const verdict = await guard.authorize(request, action);
  if (verdict !== true && (typeof verdict !== 'string' || verdict === ''))
    throw new Refusal(403, 'FORBIDDEN', `You may not do this here: ${action}.`);
  if (changes) {
    checkOrigin(request);
    if (guard.readOnly) throw new Refusal(403, 'READ_ONLY', 'This page is read-only: it changes nothing.');
  }
  return verdict === true ? name : verdict;
}

/** A page elsewhere may have its name point at this machine: what the browser calls us is checked. */
function checkHost(hosts: Guard['hosts'], request: Request): void {
  if (hosts === undefined) return;
  const host = request.headers.get('host') ?? new URL(request.url).host;
  if (hosts.has(withoutPort(host))) return;
  throw new Refusal(
    403,
    'FOREIGN_HOST',
    `This page is not served under the name "${host}". Open it under ${[...hosts].join(' or ')}, or start it with ` +
      '--host and --auth.',
  );
}

/** The host of `host:port`, in lower case. */
export function withoutPort(host: string): string {
  return host.replace(/:\d*$/, '').toLowerCase();
}

function checkLogin(login: BasicLogin | undefined, request: Request): string | undefined {
  if (login === undefined) return undefined;
  const name = login.check(request.headers.get('authorization'));
  if (name !== undefined) return name;
  throw new Refusal(401, 'UNAUTHORIZED', 'Log in with a user and a password.', {
    'www-authenticate': 'Basic realm="celeriac", charset="UTF-8"',
  });
}

/** A script sends neither header: it is let in where its credentials are. */
function checkOrigin(request: Request): void {
  const site = request.headers.get('sec-fetch-site');
  const origin = request.headers.get('origin');
  if (origin !== null ? isOwn(origin, request) : site === null || site === 'same-origin' || site === 'none')
    return;
  throw new Refusal(403, 'FOREIGN_ORIGIN', 'A page of another origin may change nothing here.');
}

/**
 * Whether an origin is the one of the request, as the browser saw it. A proxy in front may speak TLS to the browser and
 * not to us, and may name another host to us.
 */
function isOwn(origin: string, request: Request): boolean {
  if (request.headers.get('sec-fetch-site') === 'cross-site' || !URL.canParse(origin)) return false;
  const { protocol, host } = new URL(origin);
  const own = new URL(request.url);
  if (protocol !== own.protocol && protocol !== 'https:') return false;
  const names = [own.host, request.headers.get('host'), request.headers.get('x-forwarded-host')];
  return names.some((name) => name !== null && hostOf(name, protocol) === host);
}

/** As a URL has it: in lower case, without the protocol's own port. */
function hostOf(name: string, protocol: string): string | undefined {
  const url = `${protocol}//${name}`;
  return URL.canParse(url) ? new URL(url).host : undefined;
}
