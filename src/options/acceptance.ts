/**
 * When a call counts as accepted: once the broker has written it, or once a replica of the broker has it too.
 */
import { OptionError } from '../errors.js';
import { show } from '../show.js';

/** `'written'`: the broker has the task. `'replicated'`: a replica has it too, so that a failover does not lose it. */
export type Acceptance = 'written' | 'replicated';

/** @throws {OptionError} for anything else */
export function checkAcceptance(value: unknown, where: string): Acceptance {
  if (value === 'written' || value === 'replicated') return value;
  throw new OptionError(`${where}: acceptance must be 'written' or 'replicated', not ${show(value)}.`);
}

/** True if a call waits for a replica, by its own option or its app's. */
export type AcceptanceRule = (own: Acceptance | undefined) => boolean;

/**
 * @param canReplicate true if this kind of broker has replicas to wait for
 * @throws {OptionError} from the rule, if this broker can never replicate
 */
export function acceptanceRule(app: Acceptance, canReplicate: boolean, address: string): AcceptanceRule {
  return (own = app) => {
    if (own === 'written') return false;
    if (canReplicate) return true;
    throw new OptionError(
      `acceptance: 'replicated' waits for a replica of a Redis broker, and the broker is ${address}. PostgreSQL waits for ` +
        'its standbys by itself where synchronous_standby_names says so; leave the option out.',
    );
  };
}
