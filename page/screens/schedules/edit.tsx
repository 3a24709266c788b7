/** The dialog in which a schedule is made or changed. */
import { useState } from 'preact/hooks';
import type { ScheduleSpec, ScheduleView, TaskList } from '../../../src/web/api.js';
import { address, send } from '../../core/api.js';
import { pretty } from '../../core/text.js';
import { useData } from '../../core/use-data.js';
import { ActionDialog } from '../../ui/dialog.js';
import { parseArguments, parseObject } from '../../ui/parse.js';

export function EditSchedule({ schedule, done }: { schedule?: ScheduleView; done: () => void }) {
  const [kind, setKind] = useState<Kind>(kindOf(schedule?.spec));
  const { data } = useData<TaskList>(address(['tasks']));
  const act = async (form: FormData) => {
    const text = (name: string) => String(form.get(name) ?? '').trim();
    const name = schedule?.name ?? text('name');
    const body = {
      name,
      task: text('task'),
      spec: specOf(kind, text('when'), text('timezone'), boundsOf(schedule?.spec)),
      args: parseArguments(text('args')),
      options: parseObject(text('options'), 'Options'),
    };
    if (schedule === undefined) await send('POST', address(['schedules']), body);
    else await send('PUT', address(['schedules', name]), body);
    done();
    return { text: `${schedule === undefined ? 'Made' : 'Changed'} the schedule ${name}.` };
  };
  const title = schedule === undefined ? 'New schedule' : `Edit ${schedule.name}`;
  const spec = schedule?.spec;
  return (
    <ActionDialog
      title={title}
      label={schedule === undefined ? 'Make 1 schedule' : 'Change 1 schedule'}
      act={act}
    >
      {schedule?.source === 'code' && (
        <p>It is declared in code. What you set here outranks the declaration until it is deleted here.</p>
      )}
      {schedule === undefined && (
        <div class="field">
          <label for="s-name">Name</label>
          <input id="s-name" name="name" required autocomplete="off" />
        </div>
      )}
      <div class="field">
        <label for="s-task">Task</label>
        <input
          id="s-task"
          name="task"
          required
          list="s-tasks"
          defaultValue={schedule?.task}
          autocomplete="off"
        />
        <datalist id="s-tasks">
          {(data?.tasks ?? []).map(({ name }) => (
            <option key={name} value={name} />
          ))}
        </datalist>
      </div>
      <fieldset class="choice">
        <legend>When</legend>
        <label class="check">
          <input type="radio" name="kind" checked={kind === 'crontab'} onChange={() => setKind('crontab')} />{' '}
          By the calendar
        </label>
        <label class="check">
          <input type="radio" name="kind" checked={kind === 'every'} onChange={() => setKind('every')} />{' '}
          Every so often
        </label>
        <label class="check">
          <input type="radio" name="kind" checked={kind === 'at'} onChange={() => setKind('at')} /> Once
        </label>
      </fieldset>
      <div class="field" key={kind}>
        <label for="s-when">{LABELS[kind]}</label>
        <input
          id="s-when"
          name="when"
          required
          class="mono"
          autocomplete="off"
          defaultValue={whenOf(spec, kind)}
          aria-describedby="s-when-hint"
        />
        <span class="hint" id="s-when-hint">
          {HINTS[kind]}
        </span>
      </div>
      {kind !== 'every' && (
        <div class="field">
          <label for="s-zone">Time zone</label>
          <input
            id="s-zone"
            name="timezone"
            autocomplete="off"
            placeholder="the app's"
            defaultValue={spec?.timezone}
          />
        </div>
      )}
      <div class="field">
        <label for="s-args">Arguments, a JSON list</label>
        <textarea id="s-args" name="args" rows={4} class="mono" spellcheck={false}>
          {pretty(schedule?.args ?? [])}
        </textarea>
      </div>
      <div class="field">
        <label for="s-options">Options, a JSON object</label>
        <textarea id="s-options" name="options" rows={3} class="mono" spellcheck={false}>
          {pretty(schedule?.options ?? {})}
        </textarea>
      </div>
    </ActionDialog>
  );
}

/** The kinds that can be set here. */
type Kind = Exclude<ScheduleSpec['kind'], 'own'>;

function kindOf(spec: ScheduleSpec | undefined): Kind {
  return spec === undefined || spec.kind === 'own' ? 'crontab' : spec.kind;
}

const LABELS = { crontab: 'Cron expression', every: 'Every', at: 'At' };
const HINTS = {
  crontab: 'minute hour day month weekday, such as 0 9 * * 1-5',
  every: 'such as 30s, 5m or 2h',
  at: 'a moment, such as 2027-01-01T09:00',
};

function whenOf(spec: ScheduleSpec | undefined, kind: Kind): string {
  if (spec === undefined || spec.kind !== kind) return '';
  switch (spec.kind) {
    case 'crontab':
      return spec.crontab;
    case 'at':
      return spec.at;
    case 'every':
      return String(spec.every);
  }
}

/** What the dialog does not show, and keeps. */
function boundsOf(spec: ScheduleSpec | undefined): object {
  if (spec === undefined) return {};
  const { startAt, endAt, jitter, catchUp } = spec;
  const aligned = spec.kind === 'every' ? spec.aligned : undefined;
  return JSON.parse(JSON.stringify({ startAt, endAt, jitter, catchUp, aligned })) as object;
}

function specOf(kind: Kind, when: string, timezone: string, bounds: object): ScheduleSpec {
  if (kind === 'every') return { ...bounds, kind, every: /^\d+$/.test(when) ? Number(when) : when };
  const { aligned: _, ...others } = bounds as { aligned?: boolean };
  const zone = timezone === '' ? {} : { timezone };
  return kind === 'at' ? { ...others, ...zone, kind, at: when } : { ...others, ...zone, kind, crontab: when };
}
