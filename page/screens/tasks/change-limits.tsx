/** The dialog in which the limits of a task are changed, on all workers that have it. */
import type { LimitView } from '../../../src/web/api.js';
import { controlWorker } from '../../core/changes.js';
import { count } from '../../core/text.js';
import { durationText } from '../../core/time.js';
import { ActionDialog } from '../../ui/dialog.js';
import { replied } from '../workers/commands.js';

/** Workers that are told at the same time. */
const AT_ONCE = 8;

/** Whose limits are changed, as they are now, and where. */
export interface LimitsOf {
  readonly task: string;
  readonly limits: LimitView | undefined;
  readonly nodes: readonly string[];
  readonly done: () => void;
}

export function ChangeLimits({ task, limits, nodes, done }: LimitsOf) {
  const before = {
    rate: limits?.rate ?? '',
    soft: textOf(limits?.softTimeLimit),
    hard: textOf(limits?.timeLimit),
  };
  const act = async (form: FormData) => {
    const text = (name: string) => String(form.get(name) ?? '').trim();
    const [rate, soft, hard] = [text('rate'), text('soft'), text('hard')];
    const replies: Readonly<Record<string, unknown>>[] = [];
    if (rate !== before.rate) replies.push(await setRate(task, nodes, rate));
    // Both, so that a soft limit above the former hard one is no mistake.
    if (soft !== before.soft || hard !== before.hard)
      replies.push(...(await setTimes(task, nodes, { soft: soft || null, hard: hard || null })));
    done();
    if (replies.length === 0) return { text: `The limits of ${task} stay as they are.` };
    const { text: said, bad } = replied(Object.assign({}, ...replies.map(keyed)));
    return { text: said, bad };
  };
  const field = (name: keyof typeof before, label: string, hint: string) => (
    <div class="field">
      <label for={`l-${name}`}>{label}</label>
      <input
        {...{ id: `l-${name}`, name, defaultValue: before[name] }}
        autocomplete="off"
        spellcheck={false}
        aria-describedby={`l-${name}-hint`}
      />
      <span class="hint" id={`l-${name}-hint`}>
        {hint}
      </span>
    </div>
  );
  return (
    <ActionDialog
      title={`Limits of ${task}`}
      label={`Set them on ${count(nodes.length, 'worker')}`}
      act={act}
    >
      <p>
        They hold for later runs. The rate counts over all workers, and stays until the rate in the code
        changes; time limits stay until a worker starts anew.
      </p>
      {field('rate', 'Rate', 'starts in a period, such as 10/s or 100/m; empty for no limit')}
      {field('soft', 'Soft limit', 'when the task is told to stop, such as 30s; empty for none')}
      {field('hard', 'Hard limit', 'when it is ended, such as 1m; empty for none')}
    </ActionDialog>
  );
}

async function setRate(task: string, [first = '']: readonly string[], rate: string) {
  const { replies = {} } = await controlWorker(first, 'rate-limit', { task, rate: rate || null });
  return replies;
}

async function setTimes(task: string, nodes: readonly string[], limits: object) {
  const replies: Readonly<Record<string, unknown>>[] = [];
  for (let from = 0; from < nodes.length; from += AT_ONCE) {
    const some = nodes.slice(from, from + AT_ONCE);
    const answers = await Promise.all(
      some.map((node) => controlWorker(node, 'time-limit', { task, ...limits })),
    );
    replies.push(...answers.map((answer) => answer.replies ?? {}));
  }
  return replies;
}

/** Replies of one node to several commands lie beside each other. */
function keyed(replies: Readonly<Record<string, unknown>>, i: number) {
  return Object.fromEntries(Object.entries(replies).map(([node, reply]) => [`${i} ${node}`, reply]));
}

function textOf(ms: number | null | undefined): string {
  return ms === null || ms === undefined ? '' : durationText(ms);
}
