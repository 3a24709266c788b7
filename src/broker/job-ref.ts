/** Where a job lies. */
export interface JobRef {
  readonly queue: string;
  readonly id: string;
}
