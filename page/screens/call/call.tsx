/** Calls a task: a form where its schema is known, JSON otherwise. */
import { useMemo, useState } from 'preact/hooks';
import type { RunDetail, TaskList } from '../../../src/web/api.js';
import { address, send } from '../../core/api.js';
import type { Changed } from '../../core/changes.js';
import { go, link } from '../../core/router.js';
import { settings } from '../../core/settings.js';
import { useStore } from '../../core/store.js';
import { pretty, visible } from '../../core/text.js';
import { useData } from '../../core/use-data.js';
import { Empty, Head, RunLink, Section, State } from '../../ui/bits.js';
import { parseArguments, parseObject } from '../../ui/parse.js';
import { argumentsFrom, type FormField, fieldsOf } from './schema.js';

export function Call({ task: given }: { task: string | undefined }) {
  const { actions } = useStore(settings);
  const { data } = useData<TaskList>(address(['tasks']));
  const [sent, setSent] = useState<readonly string[]>([]);
  if (!actions) return <ReadOnly />;
  const tasks = data?.tasks ?? [];
  const task = tasks.find(({ name }) => name === given);
  const fields = fieldsOf(task?.schema ?? null);
  return (
    <>
      <Head title="Call a task" />
      <div class="call">
        <div class="field">
          <label for="task">Task</label>
          <input
            id="task"
            list="tasks"
            data-search
            defaultValue={given}
            autocomplete="off"
            spellcheck={false}
            placeholder="its name"
            onChange={(event) => go(link(['call', event.currentTarget.value.trim()]))}
          />
          <datalist id="tasks">
            {tasks.map(({ name }) => (
              <option key={name} value={name} />
            ))}
          </datalist>
        </div>
        {given === undefined ? (
          <Empty title="Which task?" command={`celeriac -A tasks call generate_report_task --args '["42"]'`}>
            Type its name and press Enter, or choose one of those that workers or your code know. The same
            from a terminal:
          </Empty>
        ) : (
          <>
            {data !== undefined && task === undefined && (
              <p class="sub">
                No worker that answers, and no code here, knows this task. It can be sent all the same.
              </p>
            )}
            <CallForm
              key={`${given} ${fields === undefined}`}
              name={given}
              fields={fields}
              sent={(id) => setSent((all) => [id, ...all].slice(0, 10))}
            />
          </>
        )}
        {sent.length > 0 && (
          <Section title="Sent" id="sent">
            <ul class="lines" aria-live="polite">
              {sent.map((id) => (
                <Sent key={id} id={id} />
              ))}
            </ul>
          </Section>
        )}
      </div>
    </>
  );
}

function ReadOnly() {
  return (
    <>
      <Head title="Call a task" />
      <Empty title="This page is read-only">Whoever serves it allows no changes.</Empty>
    </>
  );
}

function Sent({ id }: { id: string }) {
  const { data } = useData<RunDetail>(address(['runs', id]), { on: ['run'], leastMs: 500, everyMs: 3_000 });
  return (
    <li data-row>
      <span class="line-main">
        <RunLink id={id} />
        <State state={data?.state ?? 'PENDING'} />
      </span>
      {data?.state === 'SUCCESS' && (
        <span class="line-more mono">{visible(pretty(data.value).slice(0, 300))}</span>
      )}
      {data?.error && (
        <span class="line-more">{visible(`${data.error.name}: ${data.error.message}`.slice(0, 300))}</span>
      )}
    </li>
  );
}

interface CallFormProps {
  readonly name: string;
  readonly fields: readonly FormField[] | undefined;
  readonly sent: (id: string) => void;
}

function CallForm({ name, fields, sent }: CallFormProps) {
  const [asJson, setAsJson] = useState(fields === undefined);
  const [problem, setProblem] = useState<string>();
  const [busy, setBusy] = useState(false);
  const shown = useMemo(() => (asJson ? undefined : fields), [asJson, fields]);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    setProblem(undefined);
    setBusy(true);
    try {
      const args =
        shown === undefined
          ? parseArguments(String(form.get('args')))
          : argumentsFrom(shown, (index) => String(form.get(`f${index}`) ?? ''));
      const options = parseObject(String(form.get('options') ?? ''), 'Options');
      const { id } = await send<Changed>('POST', address(['tasks', name, 'call']), { args, options });
      if (id !== undefined) sent(id);
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
    setBusy(false);
  };
  return (
    <form onSubmit={submit} class="call-form">
      {shown === undefined ? (
        <div class="field">
          <label for="args">Arguments, a JSON list</label>
          <textarea
            id="args"
            name="args"
            rows={8}
            class="mono"
            spellcheck={false}
            placeholder='["42", { "fast": true }]'
          />
        </div>
      ) : (
        shown.map((field, index) => <Field key={field.path.join('.')} field={field} name={`f${index}`} />)
      )}
      {fields !== undefined && (
        <button type="button" class="quiet small" onClick={() => setAsJson(!asJson)}>
          {asJson ? 'Use the form' : 'Type JSON instead'}
        </button>
      )}
      <details>
        <summary>Options of the call</summary>
        <div class="field">
          <label for="options">Options, a JSON object</label>
          <textarea
            id="options"
            name="options"
            rows={4}
            class="mono"
            spellcheck={false}
            placeholder='{ "queue": "reports", "countdown": "10s", "priority": 3 }'
          />
        </div>
      </details>
      {problem !== undefined && (
        <p class="problem" role="alert">
          {visible(problem)}
        </p>
      )}
      <button type="submit" class="primary" disabled={busy}>
        {busy ? 'Sending…' : 'Call 1 task'}
      </button>
    </form>
  );
}

function Field({ field, name }: { field: FormField; name: string }) {
  const { kind, label, required, choices, description, initial } = field;
  const id = `call-${name}`;
  const hint = description === '' ? undefined : `${id}-hint`;
  const common = { id, name, 'aria-describedby': hint };
  return (
    <div class={kind === 'boolean' ? 'field check-field' : 'field'}>
      <label for={id}>
        {visible(label)}
        {!required && kind !== 'boolean' && <span class="sub"> (optional)</span>}
      </label>
      {kind === 'boolean' && <input {...common} type="checkbox" defaultChecked={initial === true} />}
      {kind === 'text' && (
        <input
          {...common}
          autocomplete="off"
          defaultValue={typeof initial === 'string' ? initial : undefined}
        />
      )}
      {(kind === 'number' || kind === 'integer') && (
        <input
          {...common}
          type="number"
          step={kind === 'integer' ? 1 : 'any'}
          required={required}
          defaultValue={typeof initial === 'number' ? String(initial) : undefined}
        />
      )}
      {kind === 'choice' && (
        <select {...common} required={required}>
          {!required && <option value="">–</option>}
          {choices.map((choice, index) => (
            <option key={String(choice)} value={index} selected={choice === initial}>
              {visible(String(choice))}
            </option>
          ))}
        </select>
      )}
      {kind === 'json' && (
        <textarea {...common} rows={4} class="mono" required={required} spellcheck={false}>
          {initial === undefined ? '' : pretty(initial)}
        </textarea>
      )}
      {hint !== undefined && (
        <span class="hint" id={hint}>
          {visible(description)}
        </span>
      )}
    </div>
  );
}
