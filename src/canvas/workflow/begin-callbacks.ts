/** Begins the callbacks of parts that have ended: links with the value, errbacks with the failed request and its error. */
import type { FlowInput } from '../../protocol/message.js';
import { nodeAt, type Plan, starts } from './plan.js';
import type { FailedPart, PartSteps } from './workflow-outcome.js';
import { inputFor } from './writes.js';

type Begins = Pick<PartSteps, 'begin'>;

/** @param part the ended part, and the one that holds its value */
export async function beginLinks(
  progress: Begins,
  flow: string,
  plan: Plan,
  { path, from }: { readonly path: string; readonly from: string },
  { value, parentId }: { readonly value: FlowInput | undefined; readonly parentId: string | undefined },
): Promise<void> {
  for (const [i, link] of (nodeAt(plan, path)?.links ?? []).entries()) {
    const begun = starts(link, `${path}.l${i}`);
    await progress.begin(flow, plan, begun, { input: inputFor(begun, value, from), parentId });
  }
}

/** @param carriers the parts whose errbacks begin */
export async function beginErrbacks(
  progress: Begins,
  flow: string,
  plan: Plan,
  carriers: readonly string[],
  failed: FailedPart,
): Promise<void> {
  const input = { request: failed.request, error: failed.blame.error };
  for (const carrier of carriers) {
    for (const [i, errback] of (nodeAt(plan, carrier)?.errbacks ?? []).entries())
      await progress.begin(flow, plan, starts(errback, `${carrier}.e${i}`), {
        input,
        parentId: failed.blame.id,
      });
  }
}
