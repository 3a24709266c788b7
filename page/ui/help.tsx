/** The keys, in a dialog. */
import { closeDialog, showDialog } from './dialog.js';

const KEYS: readonly (readonly [keys: string, does: string])[] = [
  ['/', 'search on this screen'],
  ['j  k', 'next and previous row'],
  ['Enter', 'open the row'],
  ['x', 'select the row'],
  ['g o', 'overview'],
  ['g t', 'tasks'],
  ['g r', 'runs'],
  ['g w', 'workers'],
  ['g q', 'queues'],
  ['g s', 'schedules'],
  ['g f', 'failed'],
  ['g c', 'call a task'],
  ['Esc', 'leave a field, close a dialog'],
  ['?', 'this help'],
];

export function showHelp(): void {
  showDialog(
    <div class="dialog">
      <h2 id="dialog-title">Keyboard</h2>
      <dl class="keys">
        {KEYS.map(([keys, does]) => (
          <div key={keys}>
            <dt>
              {keys.split(/\s+/).map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <div class="dialog-foot">
        <button type="button" class="primary" onClick={closeDialog}>
          Close
        </button>
      </div>
    </div>,
  );
}
