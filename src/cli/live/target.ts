/** What an action of the live page acts on: the selected worker, or the task of the selected row. */
export type Target =
  | { readonly kind: 'worker'; readonly node: string }
  | { readonly kind: 'task'; readonly id: string; readonly name: string };
