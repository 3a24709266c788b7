/**
 * One dialog at a time, a native one: the focus stays in it, Escape closes it, and the focus goes back to where it was.
 * An action's dialog says what it will do and to how many, and stays open with the reason when it is refused.
 */
import type { ComponentChildren, VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { useRoute } from '../core/router.js';
import { Store, useStore } from '../core/store.js';
import { visible } from '../core/text.js';
import { notify } from './notices.js';

const open = new Store<VNode | null>(null);

export function showDialog(content: VNode): void {
  open.set(content);
}

export function closeDialog(): void {
  open.set(null);
}

/** Where dialogs appear. */
export function DialogHost() {
  const content = useStore(open);
  const dialog = useRef<HTMLDialogElement>(null);
  // It asks about what is on its screen: Back, or a link from elsewhere, closes it.
  const screen = useRoute().path.join('/');
  useEffect(() => closeDialog, [screen]);
  useEffect(() => {
    const element = dialog.current;
    if (content === null || element === null) return undefined;
    const before = document.activeElement;
    element.showModal();
    return () => {
      element.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, [content]);
  if (content === null) return null;
  return (
    <dialog ref={dialog} aria-labelledby="dialog-title" onCancel={closeDialog} onClose={closeDialog}>
      {content}
    </dialog>
  );
}

export interface ActionDialogProps {
  readonly title: string;
  /** The words on the button: what it does, and to how many. */
  readonly label: string;
  readonly danger?: boolean;
  /** The button waits: what the dialog says is not known yet. */
  readonly notReady?: boolean;
  /** Does it, and says what came of it. An error is shown in the dialog, which stays. */
  readonly act: (form: FormData) => Promise<{ text: string; bad?: boolean; href?: string }>;
  readonly children?: ComponentChildren;
}

export function ActionDialog({ title, label, danger, notReady, act, children }: ActionDialogProps) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    if (busy || notReady === true) return;
    setBusy(true);
    setProblem(undefined);
    try {
      const { text, ...how } = await act(new FormData(event.currentTarget as HTMLFormElement));
      closeDialog();
      notify(text, how);
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
      setBusy(false);
    }
  };
  return (
    <form class="dialog" onSubmit={submit}>
      <h2 id="dialog-title">{visible(title)}</h2>
      <div class="dialog-body">{children}</div>
      {problem !== undefined && (
        <p class="problem" role="alert">
          {visible(problem)}
        </p>
      )}
      <div class="dialog-foot">
        <button type="button" onClick={closeDialog}>
          Cancel
        </button>
        <button
          type="submit"
          class={danger === true ? 'danger' : 'primary'}
          disabled={busy || notReady === true}
        >
          {busy ? 'Working…' : visible(label)}
        </button>
      </div>
    </form>
  );
}
