import type { CheckState } from "@medvault/service-kit";
import type { RefusalCode } from "./writer.errors.ts";

/**
 * standby: another process writes, or none does yet. opening: the lease is ours, the log is being
 * checked. writing: events are consumed and published. refusing: the log and the store outside
 * disagree. waiting: Postgres or the store outside is away. stopped: for good.
 */
export type WriterPhase = "standby" | "opening" | "writing" | "refusing" | "waiting" | "stopped";

export interface WriterState {
  readonly phase: WriterPhase;
  readonly refusal: { readonly code: RefusalCode; readonly words: string } | null;
  readonly publishedSize: number;
  /** How long the oldest event of the last batch took to get here. */
  readonly appendDelayMs: number;
}

/**
 * Checks of readiness. A refusal's code is the name of one, since a check has a state and no text.
 */
export function checksOf({ phase, refusal }: WriterState): Record<string, () => CheckState> {
  const degraded = () => "degraded" as const;
  if (refusal !== null) return { writer: degraded, [`writer_${refusal.code}`]: degraded };
  return { writer: phase === "writing" || phase === "standby" ? () => "ok" : degraded };
}
