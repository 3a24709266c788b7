/** What can be done with one run: retry, retry with other arguments, revoke, run now, delete. */
import type { RunDetail } from '../../../src/web/api.js';
import { changeRun, deleteRun, told } from '../../core/changes.js';
import { go, link } from '../../core/router.js';
import { isEnded } from '../../core/states.js';
import { pretty } from '../../core/text.js';
import { Actions } from '../../ui/bits.js';
import { ActionDialog, showDialog } from '../../ui/dialog.js';
import { parseArguments } from '../../ui/parse.js';

interface Props {
  readonly run: RunDetail;
  readonly done: () => void;
}

export function RunActions({ run, done }: Props) {
  const { state, eta, startedAt } = run;
  const ended = isEnded(state);
  const delayed = !ended && (state === 'RETRY' || (startedAt === null && eta !== null));
  return (
    <Actions>
      {state === 'FAILURE' && (
        <>
          <button type="button" class="primary" onClick={() => showDialog(<Retry run={run} done={done} />)}>
            Retry
          </button>
          <button
            type="button"
            onClick={() => showDialog(<RetryEdited id={run.id} args={run.argsFull} done={done} />)}
          >
            Retry with edited arguments
          </button>
        </>
      )}
      {delayed && (
        <button type="button" onClick={() => showDialog(<RunNow run={run} done={done} />)}>
          Run now
        </button>
      )}
      {!ended && (
        <button type="button" onClick={() => showDialog(<Revoke run={run} done={done} />)}>
          Revoke
        </button>
      )}
      {ended && (
        <button type="button" onClick={() => showDialog(<Delete run={run} />)}>
          Delete
        </button>
      )}
    </Actions>
  );
}

function Retry({ run: { id, name }, done }: Props) {
  const act = async () => {
    const changed = await changeRun(id, 'retry');
    done();
    return { text: told('Retried', changed), bad: changed.touched === 0 };
  };
  return (
    <ActionDialog title={`Retry ${name}?`} label="Retry 1 run" act={act}>
      <p>It is queued again under the same id, with the same arguments.</p>
    </ActionDialog>
  );
}

export function RetryEdited({ id, args, done }: { id: string; args: unknown; done: () => void }) {
  const act = async (form: FormData) => {
    const edited = parseArguments(String(form.get('args')));
    const changed = await changeRun(id, 'retry', { args: edited });
    done();
    const href = changed.id === undefined || changed.id === id ? undefined : link(['runs', changed.id]);
    return {
      text: told('Retried', changed),
      bad: changed.touched === 0,
      ...(href === undefined ? {} : { href }),
    };
  };
  return (
    <ActionDialog title="Retry with edited arguments" label="Retry 1 run" act={act}>
      <label for="edited-args">Arguments, a JSON list</label>
      <textarea id="edited-args" name="args" rows={12} spellcheck={false} class="mono">
        {pretty(args)}
      </textarea>
    </ActionDialog>
  );
}

function Revoke({ run: { id, name, state, startedAt }, done }: Props) {
  const act = async (form: FormData) => {
    const reason = String(form.get('reason') ?? '').trim();
    const changed = await changeRun(id, 'revoke', {
      terminate: form.get('terminate') !== null,
      ...(reason === '' ? {} : { reason }),
    });
    done();
    return { text: told('Revoked', changed), bad: changed.touched === 0 };
  };
  return (
    <ActionDialog title={`Revoke ${name}?`} label="Revoke 1 run" danger act={act}>
      <p>It ends as REVOKED and never runs again. This cannot be undone.</p>
      {(state === 'STARTED' || startedAt !== null) && (
        <label class="check">
          <input type="checkbox" name="terminate" defaultChecked /> Stop it where it runs now
        </label>
      )}
      <label for="reason">Reason (others see it)</label>
      <input id="reason" name="reason" autocomplete="off" />
    </ActionDialog>
  );
}

function RunNow({ run: { id, name }, done }: Props) {
  const act = async () => {
    const changed = await changeRun(id, 'run-now');
    done();
    return { text: told('Moved to the front:', changed), bad: changed.touched === 0 };
  };
  return (
    <ActionDialog title={`Run ${name} now?`} label="Run 1 task now" act={act}>
      <p>It does not wait for its time: the next free worker takes it.</p>
    </ActionDialog>
  );
}

function Delete({ run: { id, name } }: { run: RunDetail }) {
  const act = async () => {
    const changed = await deleteRun(id);
    if (changed.touched > 0) go('#/runs');
    return { text: told('Deleted', changed), bad: changed.touched === 0 };
  };
  return (
    <ActionDialog title={`Delete ${name}?`} label="Delete 1 run" danger act={act}>
      <p>Its arguments, its result and its error are removed from the broker. This cannot be undone.</p>
    </ActionDialog>
  );
}
