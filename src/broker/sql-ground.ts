/** The database of an engine that keeps its jobs in SQL, as a caller's transaction can reach it. */
export interface SqlGround {
  /** The schema of the app's tables. */
  readonly schema: string;
  /** A statement that gives one row with the text `identity`, which no other database gives. Changes with a restart. */
  readonly identify: string;
  /** What `identify` gives on the engine's own connection. Fails fast. */
  identity(): Promise<string>;
}
