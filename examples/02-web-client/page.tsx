/// <reference lib="dom" />
/** The page: asks for a report, then shows how far it is. */
import { useTask } from 'celeriac/react';
import { StrictMode, type SubmitEvent, useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';
import type { Progress } from '../01-report/tasks.js';

function Reports() {
  const [url, setUrl] = useAddress();
  const generate = async (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    const id = new FormData(event.currentTarget).get('id');
    const response = await fetch(`/reports/${encodeURIComponent(String(id))}`, { method: 'POST' });
    setUrl(((await response.json()) as { follow: string }).follow);
  };
  return (
    <>
      <h1>Reports</h1>
      <form onSubmit={generate}>
        <label>
          Report <input name="id" defaultValue="42" required />
        </label>{' '}
        <button type="submit">Generate</button>
      </form>
      {url !== null && <Report url={url} />}
    </>
  );
}

function Report({ url }: { url: string }) {
  const { state, meta, value, error } = useTask<string>(url);
  const { step = 0, total = 1, status } = (meta ?? {}) as Partial<Progress>;
  return (
    <>
      <p>
        <progress max={total} value={value === undefined ? step : total} />
      </p>
      <p id="status" role="status" data-state={error === undefined ? state : 'FAILURE'}>
        {error?.message ?? value ?? status ?? state}
      </p>
    </>
  );
}

/** The task's address is kept in the page's own: a reload, or somebody else's browser, goes on following it. */
function useAddress(): [string | null, (url: string) => void] {
  const [url, setUrl] = useState(addressInHash);
  useEffect(() => {
    const changed = () => setUrl(addressInHash());
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  const setAddress = (next: string) => {
    location.hash = next;
  };
  return [url, setAddress];
}

function addressInHash(): string | null {
  return location.hash.slice(1) || null;
}

const root = document.querySelector('main');
if (root !== null)
  createRoot(root).render(
    <StrictMode>
      <Reports />
    </StrictMode>,
  );
