/** The page: asks for a text, then shows its words as they come. No build step, no library. */
export const PAGE = `<!doctype html>
<html lang="en">
  <meta charset="utf-8">
  <title>Texts</title>
  <style>
    body { font: 16px/1.5 system-ui, sans-serif; margin: 3rem auto; max-width: 36rem; padding: 0 1rem }
    #text { min-height: 6rem; white-space: pre-wrap }
    #status { color: #666 }
  </style>
  <h1>Texts</h1>
  <form>
    <label>Topic <input name="topic" value="hops" required></label>
    <button>Write</button>
  </form>
  <p id="text"></p>
  <p id="status" role="status"></p>
  <script type="module">
    const form = document.querySelector('form');
    const text = document.querySelector('#text');
    const status = document.querySelector('#status');
    let words;

    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      const topic = new FormData(form).get('topic');
      const response = await fetch('/texts/' + encodeURIComponent(topic), { method: 'POST' });
      const { taskId } = await response.json();
      location.hash = encodeURIComponent(taskId);
    });

    // The task id is in the address: a reload shows the words so far, and goes on.
    const follow = () => {
      words?.close();
      text.textContent = status.textContent = '';
      if (location.hash === '') return;
      // It connects again by itself, and says which word it had last.
      words = new EventSource('/texts/' + location.hash.slice(1) + '/words');
      words.addEventListener('word', ({ data }) => (text.textContent += JSON.parse(data)));
      words.addEventListener('restart', follow);
      words.addEventListener('failed', ({ data }) => end(JSON.parse(data)));
      words.addEventListener('end', ({ data }) => end(JSON.parse(data).words + ' words'));
      words.onerror = () => {
        if (words.readyState === EventSource.CLOSED) status.textContent = 'no such text';
      };
    };
    const end = (message) => {
      words.close();
      status.textContent = message;
    };
    addEventListener('hashchange', follow);
    follow();
  </script>
</html>
`;
