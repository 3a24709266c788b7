/**
 * Which BullMQ runs underneath: what a bug report needs to say. Read where somebody asks.
 */

/** As its package says; `unknown` where it keeps its version elsewhere. */
export async function bullmqVersion(): Promise<string> {
  try {
    const { version } = await import('bullmq/dist/esm/version.js');
    return version;
  } catch {
    // Bundled, or another layout: not knowing it harms nothing.
    return 'unknown';
  }
}
