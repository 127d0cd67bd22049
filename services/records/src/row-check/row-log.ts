import type { RowEventPage } from "@medvault/contracts";

/** What the audit log says of our rows: asked of audit by the job, read by the command itself. */
export interface RowLog {
  /** From entry `from` on, in order, up to the log's present end. */
  pages(from: number): AsyncIterable<RowEventPage>;
  /** Waits until every event that committed before is in the log. Throws Unavailable. */
  settle(): Promise<void>;
}
