/** The small parts that all screens are made of. Every text of others goes through `visible`. */
import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';
import type { Run } from '../../src/web/api.js';
import type { ApiError } from '../core/api.js';
import { link } from '../core/router.js';
import { settings } from '../core/settings.js';
import { isRunning, lookOf } from '../core/states.js';
import { Store, useStore } from '../core/store.js';
import { number, oneLine, visible } from '../core/text.js';
import { clock, duration, exact, relative } from '../core/time.js';

/** A state by its word first, and its colour. */
export function State({ state }: { state: string }) {
  return <span class={`state s-${lookOf(state)}`}>{oneLine(state, 40)}</span>;
}

/** A name or another short text of somebody else, in its own direction. */
export function Text({ children, most = 200, mono }: { children: string; most?: number; mono?: boolean }) {
  return <bdi class={mono === true ? 'mono' : undefined}>{oneLine(children, most)}</bdi>;
}

/** An id, cut in its middle where there is no room. */
export function Id({ id }: { id: string }) {
  return (
    <bdi class="mono id" title={visible(id)}>
      {id.length > 30 ? oneLine(`${id.slice(0, 14)}…${id.slice(-12)}`) : oneLine(id)}
    </bdi>
  );
}

export function RunLink({ id, children }: { id: string; children?: ComponentChildren }) {
  return (
    <a href={link(['runs', id])} data-primary>
      {children ?? <Id id={id} />}
    </a>
  );
}

/** One clock for the page: moments are shown against it. */
const now = new Store(Date.now());
setInterval(() => {
  if (!document.hidden) now.set(Date.now());
}, 1000);

export function useNow(): number {
  return useStore(now);
}

/** A moment, in words, with the exact one as its title. */
export function Moment({ at, as = 'relative' }: { at: string | null; as?: 'relative' | 'clock' }) {
  const current = useNow();
  if (at === null) return <None />;
  const ms = Date.parse(at);
  if (Number.isNaN(ms)) return <Text>{at}</Text>;
  return (
    <time dateTime={at} title={exact(ms)} class="moment">
      {as === 'clock' ? clock(ms, current) : relative(ms, current)}
    </time>
  );
}

export function Duration({ ms }: { ms: number | null }) {
  return ms === null ? <None /> : <span class="moment">{duration(ms)}</span>;
}

/** How long a run took; while its code runs, how long it has. */
export function Ran({ run }: { run: Run }) {
  const current = useNow();
  const { doneAt, startedAt, runtime, state } = run;
  if (doneAt !== null) return <Duration ms={runtime} />;
  if (startedAt === null || !isRunning(state)) return <None />;
  return <Duration ms={Math.max(0, Math.floor((current - Date.parse(startedAt)) / 1000) * 1000)} />;
}

export function None() {
  return (
    <span class="none">
      <span aria-hidden="true">–</span>
      <span class="sr">none</span>
    </span>
  );
}

export function Count({ n, alarm }: { n: number; alarm?: boolean }) {
  return <span class={n === 0 ? 'zero' : alarm === true ? 'alarm' : undefined}>{number(n)}</span>;
}

/** A command to copy, where a screen has nothing to show yet. */
export function Empty({
  title,
  children,
  command,
}: {
  title: string;
  children?: ComponentChildren;
  command?: string;
}) {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children !== undefined && <p>{children}</p>}
      {command !== undefined && (
        <pre class="command">
          <code>{command}</code>
        </pre>
      )}
    </div>
  );
}

/** The first answer is on its way: keeps the room that it will need. */
export function Waiting() {
  return (
    <p class="waiting" role="status">
      Reading…
    </p>
  );
}

export function Problem({ error }: { error: ApiError | undefined }) {
  if (error === undefined) return null;
  return (
    <p class="problem" role="alert">
      {visible(error.message)}
    </p>
  );
}

/** The heading of a screen, and what can be done there. Names the document as well. */
export function Head({
  title,
  children,
  sub,
}: {
  title: string;
  children?: ComponentChildren;
  sub?: ComponentChildren;
}) {
  const { app } = useStore(settings);
  const shown = oneLine(title, 120);
  useEffect(() => {
    document.title = app === '' ? shown : `${shown} · ${oneLine(app, 60)}`;
  }, [shown, app]);
  return (
    <header class="head">
      <div class="head-title">
        <h1 tabIndex={-1} id="title">
          {shown}
        </h1>
        {sub}
      </div>
      {children !== undefined && <div class="head-actions">{children}</div>}
    </header>
  );
}

/** Shows what is inside to readers who may change something. */
export function Actions({ children }: { children: ComponentChildren }): ComponentChildren {
  return useStore(settings).actions ? children : null;
}

/** A share of a whole, as a bar with its text beside it. */
export function Meter({ value, max, label }: { value: number; max: number; label: string }) {
  const share = max <= 0 ? 0 : Math.max(0, Math.min(1, value / max));
  return (
    <span class="meter" role="img" aria-label={label}>
      <span class="meter-bar" style={{ width: `${share * 100}%` }} />
    </span>
  );
}

export function Section({
  title,
  id,
  children,
  aside,
}: {
  title: string;
  id: string;
  children: ComponentChildren;
  aside?: ComponentChildren;
}) {
  return (
    <section class="section" aria-labelledby={id}>
      <div class="section-head">
        <h2 id={id}>{title}</h2>
        {aside}
      </div>
      {children}
    </section>
  );
}
