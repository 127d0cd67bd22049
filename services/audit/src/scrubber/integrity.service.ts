import { INTEGRITY_FAULTS } from "@medvault/contracts";
import { looked, type Metric } from "@medvault/runtime";
import type { CheckState } from "@medvault/service-kit";
import type { Context } from "../context.ts";
import { openFindings, readWalk } from "./finding.store.ts";

/** What the scrubber found, and how far it has come. */
export function integrityMetrics({ pool, scrubber }: Context): Metric[] {
  const findings = looked(() => openFindings(pool));
  const walk = looked(() => readWalk(pool));
  return [
    {
      name: "audit_integrity_findings",
      help: "What was found to be changed in the log or in what is kept of it outside; 0 is right.",
      labelNames: ["fault"],
      read: async () => {
        const found = await findings();
        return (
          found &&
          Object.keys(INTEGRITY_FAULTS).map((fault) => ({
            labels: { fault },
            value: found.filter((each) => each.fault === fault).length,
          }))
        );
      },
    },
    {
      name: "audit_scrub_position",
      help: "The tile of 256 entries that the walk over the whole log reads next.",
      read: async () => (await walk())?.position,
    },
    {
      name: "audit_scrub_last_walk_timestamp_seconds",
      help: "When the last walk over the whole log ended; 0: none has.",
      read: async () => {
        const found = await walk();
        return found && (found.walkedAt?.getTime() ?? 0) / 1000;
      },
    },
    {
      name: "audit_scrub_last_round_timestamp_seconds",
      help: "When the scrubber looked at the log last; in the process that writes.",
      read: () => (scrubber.lookedAt ? scrubber.lookedAt.getTime() / 1000 : undefined),
    },
  ];
}

/** Every process says it, whichever of them found it. */
export const integrityChecks = ({ pool }: Context): Record<string, () => Promise<CheckState>> => ({
  log_integrity: async () => ((await openFindings(pool)).length > 0 ? "degraded" : "ok"),
});
