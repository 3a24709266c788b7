/**
 * Errors of Redis, Cluster and Sentinel: classifies them and words them with advice. Strips the arguments of the refused
 * command, which ioredis puts into its errors: a wrong password or a task's payload must never reach a log or error report.
 */
import { BrokerError, BrokerUnavailableError } from '../../errors.js';

/**
 * What an error shows about the broker:
 * - `away`: there was no answer, and the command may or may not have been carried out
 * - `passing`: the broker answered that it cannot just now, and did nothing; another try may succeed
 * - `refusing`: the broker answered that it takes no writes until an operator acts, and did nothing
 * - `forbidden`: this user lacks the right
 */
export type RedisTrouble = 'away' | 'passing' | 'refusing' | 'forbidden';

const AWAY_CODES =
  /^(?:ECONN|EPIPE|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|EHOSTDOWN|ETIMEDOUT|ENETUNREACH|ENETDOWN|ENETRESET|EADDRNOTAVAIL)/;

/** Error messages of ioredis itself. */
const AWAY =
  /Connection is closed|aborted due to connection close|enableOfflineQueue|Stream isn't writeable|max retries per request|None of startup nodes|Failed to refresh slots cache|sentinels are unreachable|Command timed out|Connection ended/;

/** Codes of Redis' answers. Before Redis 7 a script's error has the code in the middle of the text, behind a "-". */
const PASSING = answers('READONLY LOADING MASTERDOWN CLUSTERDOWN TRYAGAIN MOVED ASK BUSY UNBLOCKED NOSCRIPT');
const REFUSING = answers('OOM MISCONF NOREPLICAS');
/** FORBIDDEN_WORDS are the texts of servers before Redis 6. */
const FORBIDDEN = answers('NOPERM NOAUTH WRONGPASS');
const FORBIDDEN_WORDS = /invalid password|invalid username|Client sent AUTH/i;
/** Answers without a code. */
const PASSING_WORDS = /Too many Cluster redirections|max number of clients reached|failover in progress/i;

/** The answer of a replica to a write: the master is another server by now. */
export const READONLY = answers('READONLY');

/** How deep causes are followed; ioredis nests a few. */
const MOST_CAUSES = 8;

/** What `error` shows about the broker; `undefined` for any other error. */
export function troubleIn(error: unknown): RedisTrouble | undefined {
  if (!(error instanceof Error)) return undefined;
  if (error instanceof BrokerUnavailableError) return 'away';
  // Our error around the server's answer.
  if (error instanceof BrokerError) return troubleIn(error.cause);
  const { message, previousErrors } = error as Error & { readonly previousErrors?: readonly unknown[] };
  // An aborted transaction: the error of one of its commands is the reason.
  if (message.startsWith('EXECABORT')) return troubleIn(previousErrors?.[0]);
  if (FORBIDDEN.test(message) || FORBIDDEN_WORDS.test(message)) return 'forbidden';
  if (REFUSING.test(message)) return 'refusing';
  if (PASSING.test(message) || PASSING_WORDS.test(message)) return 'passing';
  const code = 'code' in error ? String(error.code) : '';
  return AWAY_CODES.test(code) || AWAY.test(message) ? 'away' : undefined;
}

/** The error to throw for a broker that refuses until an operator acts; `undefined` for any other error. */
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

/** The error to throw for a broker that is unreachable, or that cannot act just now. */
export function unavailable(address: string, cause: unknown): BrokerUnavailableError {
  // Another command met the outage first; its error says all of it.
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

/** Strips commands down to their names, in the error and in its causes. @returns the same error */
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
