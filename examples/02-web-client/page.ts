/** The page: asks for a report, then follows it by server-sent events. No build step, no library. */
export const PAGE = `<!doctype html>
<html lang="en">
  <meta charset="utf-8">
  <title>Reports</title>
  <style>
    body { font: 16px/1.5 system-ui, sans-serif; margin: 3rem auto; max-width: 36rem; padding: 0 1rem }
    progress { width: 100% }
    [data-state=FAILURE], [data-state=LOST] { color: #b00020 }
  </style>
  <h1>Reports</h1>
  <form>
    <label>Report <input name="id" value="42" required></label>
    <button>Generate</button>
  </form>
  <p><progress max="20" value="0"></progress></p>
  <p id="status" role="status"></p>
  <script type="module">
    const form = document.querySelector('form');
    const bar = document.querySelector('progress');
    const status = document.querySelector('#status');

    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      const id = new FormData(form).get('id');
      const response = await fetch('/reports/' + encodeURIComponent(id), { method: 'POST' });
      const { taskId } = await response.json();
      location.hash = encodeURIComponent(taskId);
    });

    // The task id is in the address: a reload, or somebody else's browser, goes on following it.
    const follow = () => {
      if (location.hash === '') return;
      const task = '/tasks/' + location.hash.slice(1);
      const updates = new EventSource(task + '/updates');
      updates.onmessage = ({ data }) => show(JSON.parse(data));
      updates.addEventListener('end', async () => {
        updates.close();
        const { state, value, error } = await (await fetch(task)).json();
        show({ state, text: value ?? error });
      });
      // The browser connects again by itself, unless the server says that there is no such task.
      updates.onerror = () => {
        if (updates.readyState === EventSource.CLOSED) show({ state: 'LOST', text: 'no such task' });
      };
    };
    const show = ({ state, meta, text }) => {
      status.dataset.state = state;
      status.textContent = text ?? meta?.status ?? state;
      bar.value = state === 'SUCCESS' ? 20 : (meta?.step ?? 0);
    };
    addEventListener('hashchange', follow);
    follow();
  </script>
</html>
`;
