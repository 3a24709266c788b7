/** Every attempt of a run, with its error and stack. */
import type { RunAttempt, RunDetail } from '../../../src/web/api.js';
import { duration } from '../../core/time.js';
import { Moment, Section, State, Text } from '../../ui/bits.js';
import { Long } from '../../ui/json.js';

export function Attempts({ run }: { run: RunDetail }) {
  const { attempts } = run;
  if (attempts.length === 0) return null;
  return (
    <Section title="Attempts" id="attempts">
      <ol class="attempts">
        {attempts.map((attempt, at) => (
          <Attempt
            key={attempt.attempt}
            attempt={attempt}
            state={stateOf(run, attempt, at === attempts.length - 1)}
          />
        ))}
      </ol>
    </Section>
  );
}

function stateOf(run: RunDetail, { error, endedAt }: RunAttempt, last: boolean): string {
  if (last) return run.state;
  return error !== null || endedAt !== null ? 'RETRY' : 'STARTED';
}

function Attempt({
  attempt: { attempt, startedAt, endedAt, worker, error },
  state,
}: {
  attempt: RunAttempt;
  state: string;
}) {
  return (
    <li>
      <p class="attempt-head">
        <b>Attempt {attempt + 1}</b> <State state={state} />
        {startedAt !== null && (
          <span>
            began <Moment at={startedAt} as="clock" />
          </span>
        )}
        {startedAt !== null && endedAt !== null && (
          <span>took {duration(Math.max(0, Date.parse(endedAt) - Date.parse(startedAt)))}</span>
        )}
        {worker !== null && (
          <span>
            on <Text most={60}>{worker}</Text>
          </span>
        )}
      </p>
      {error !== null && (
        <details>
          <summary>
            <Text most={200}>{`${error.name}: ${error.message}`}</Text>
          </summary>
          <Long
            text={error.stack ?? `${error.name}: ${error.message}`}
            label={`Error of attempt ${attempt + 1}`}
          />
        </details>
      )}
    </li>
  );
}
