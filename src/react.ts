/** `celeriac/react`: follows a task in a React component. React is a peer. */
import { useMemo, useSyncExternalStore } from 'react';
import { type FollowedTask, NOTHING, TaskStore } from './react/task-store.js';

export type { FollowedTask } from './react/task-store.js';

/**
 * What is known of the task at `url`, the address that `follow()` of `celeriac/web` answers at. The component is rendered
 * again when something changes; leaving it, or another address, leaves the task.
 * @param url null: there is no task to follow yet
 * @example const { state, meta, chunks, value, error } = useTask<string, string>(`/follow/${token}`);
 */
export function useTask<R = unknown, C = unknown>(url: string | null): FollowedTask<R, C> {
  const store = useMemo(() => new TaskStore<R, C>(url), [url]);
  return useSyncExternalStore(store.subscribe, store.read, () => NOTHING);
}
