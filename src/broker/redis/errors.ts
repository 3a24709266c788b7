/**
 * What goes wrong with Redis, Cluster and Sentinel: which kind of trouble an error is, in words that say what to do about it,
 * and without the arguments of the refused command. ioredis puts them into its errors: the password that was wrong, or a
 * task's payload, which no log line and nobody's error report may hold.
 */
import { BrokerError, BrokerUnavailableError } from '../../errors.js';

/**
 * What an error says of the broker:
 * - `away`: nobody answered, and the command may or may not have been carried out
 * - `passing`: it answered that it cannot just now, and did nothing; another try may succeed
 * - `refusing`: it answered that it takes no writes until somebody looks after it, and did nothing
 * - `forbidden`: this user may not do that
 */
export type RedisTrouble = 'away' | 'passing' | 'refusing' | 'forbidden';

const AWAY_CODES =
  /^(?:ECONN|EPIPE|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|EHOSTDOWN|ETIMEDOUT|ENETUNREACH|ENETDOWN|ENETRESET|EADDRNOTAVAIL)/;

/** ioredis' own words. */
const AWAY =
  /Connection is closed|aborted due to connection close|enableOfflineQueue|Stream isn't writeable|max retries per request|None of startup nodes|Failed to refresh slots cache|sentinels are unreachable|Command timed out|Connection ended/;

/** Redis' answers by their codes. Before Redis 7 a script's error has the code in its middle, behind a "-". */
const PASSING = answers('READONLY LOADING MASTERDOWN CLUSTERDOWN TRYAGAIN MOVED ASK BUSY UNBLOCKED NOSCRIPT');
const REFUSING = answers('OOM MISCONF NOREPLICAS');
/** The second line: what servers before Redis 6 say. */
const FORBIDDEN = answers('NOPERM NOAUTH WRONGPASS');
const FORBIDDEN_WORDS = /invalid password|invalid username|Client sent AUTH/i;
/** Without a code of their own. */
const PASSING_WORDS = /Too many Cluster redirections|max number of clients reached|failover in progress/i;

/** A replica was taken for the master, which is another one by now. */
export const READONLY = answers('READONLY');

/** As deep as causes are followed; ioredis nests a few. */
const MOST_CAUSES = 8;

/** What `error` says of the broker; `undefined` where it says nothing of it. */
export function troubleIn(error: unknown): RedisTrouble | undefined {
  if (!(error instanceof Error)) return undefined;
  if (error instanceof BrokerUnavailableError) return 'away';
  // Ours, around what the server said.
  if (error instanceof BrokerError) return troubleIn(error.cause);
  const { message, previousErrors } = error as Error & { readonly previousErrors?: readonly unknown[] };
  // A transaction that was given up: one of its commands says why.
  if (message.startsWith('EXECABORT')) return troubleIn(previousErrors?.[0]);
  if (FORBIDDEN.test(message) || FORBIDDEN_WORDS.test(message)) return 'forbidden';
  if (REFUSING.test(message)) return 'refusing';
  if (PASSING.test(message) || PASSING_WORDS.test(message)) return 'passing';
  const code = 'code' in error ? String(error.code) : '';
  return AWAY_CODES.test(code) || AWAY.test(message) ? 'away' : undefined;
}

/** The error for "it will not do that until somebody looks after it"; `undefined` for any other. */
export function refusalIn(error: unknown, address: string): BrokerError | undefined {
  if (error instanceof BrokerError || !(error instanceof Error)) return undefined;
  const trouble = troubleIn(error);
  if (trouble !== 'refusing' && trouble !== 'forbidden') return undefined;
  const { previousErrors: [first = error] = [] } = error as Error & { readonly previousErrors?: Error[] };
  const [, why, advice] = EXPLAINED.find(([code]) => code.test(first.message)) ?? FOREIGN;
  const said = first.message.replace(/\.$/, '');
  return new BrokerError(`The broker at ${address} ${why} (${said}). ${advice}`, {
    cause: withoutArguments(error),
  });
}

/** The error for a broker that is away, or that cannot just now. */
export function unavailable(address: string, cause: unknown): BrokerUnavailableError {
  // Found out by another command, which told the whole of it.
  if (cause instanceof BrokerUnavailableError) return cause;
  const why = cause instanceof Error && cause.message !== '' ? ` (${cause.message})` : '';
  const text =
    troubleIn(cause) === 'passing'
      ? `The broker at ${address} answers, but cannot take this now${why}. It is starting, failing over or busy, or it is a replica.`
      : `The broker at ${address} cannot be reached${why}. Check that it runs and that the broker URL (option broker or CELERIAC_BROKER_URL) is right.`;
  return new BrokerUnavailableError(text, { address, cause: withoutArguments(cause) });
}

const NO_ENTRY = 'Check user and password in the broker URL.';
const EXPLAINED: readonly (readonly [RegExp, string, string])[] = [
  [
    answers('OOM'),
    'has reached its memory limit and takes no new data',
    'Raise maxmemory, drop what waits ("celeriac purge"), or keep records for less long (resultExpires, failureExpires).',
  ],
  [
    answers('MISCONF'),
    'cannot write to its disk and therefore takes no new data',
    'Look at its log: is the disk full, or not writable?',
  ],
  [
    answers('NOREPLICAS'),
    'has fewer replicas than its min-replicas-to-write asks for and therefore takes no new data',
    'Bring the replicas back, or lower min-replicas-to-write.',
  ],
  [
    answers('NOPERM'),
    'does not give this user the rights it needs',
    'The guide to deployment lists them ("Rights of a Redis user").',
  ],
];
const FOREIGN: readonly [RegExp, string, string] = [/./, 'refuses this login', NO_ENTRY];

/** The error, with the command's name alone left of the command: in it, and in those behind it. */
export function withoutArguments<E>(error: E, depth = 0): E {
  if (!(error instanceof Error) || depth > MOST_CAUSES) return error;
  const { command, cause, lastNodeError } = error as Error & { command?: unknown; lastNodeError?: unknown };
  if (typeof command === 'object' && command !== null)
    Object.assign(error, { command: { name: (command as { readonly name?: unknown }).name } });
  withoutArguments(cause, depth + 1);
  withoutArguments(lastNodeError, depth + 1);
  return error;
}

function answers(codes: string): RegExp {
  return new RegExp(`(?:^|\\s-)(?:${codes.replaceAll(' ', '|')})(?= |$)`);
}
