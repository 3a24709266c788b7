/**
 * The version of BullMQ, for bug reports. Read only on request.
 */

/** The version in BullMQ's package; `unknown` when it cannot be found. */
export async function bullmqVersion(): Promise<string> {
  try {
    const { version } = await import('bullmq/dist/esm/version.js');
    return version;
  } catch {
    // Bundled, or another layout of the package: not knowing the version is harmless.
    return 'unknown';
  }
}
