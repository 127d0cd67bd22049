import { type Job, looked, type Metric } from "@medvault/runtime";
import type { Context } from "../context.ts";
import { cosign } from "./witness.service.ts";
import { listStandings } from "./witness.store.ts";

const EVERY_MS = 1_000;

/** Witnesses are asked by one process; without any there is nothing to do. */
export const witnessJobs = (context: Context): Job[] =>
  context.cosigning.witnesses.length === 0
    ? []
    : [
        {
          name: "cosign-checkpoint",
          every: EVERY_MS,
          exclusive: true,
          run: ({ signal }) => cosign(context, signal),
        },
      ];

export function witnessMetrics({ pool, now, cosigning }: Context): Metric[] {
  if (cosigning.witnesses.length === 0) return [];
  const standings = looked(() => listStandings(pool));
  return [
    {
      name: "audit_witness_failing_seconds",
      help: "How long a witness has given no cosignature that was asked for; 0: it cosigns.",
      labelNames: ["witness"],
      read: async () => {
        const found = await standings();
        return found?.map(({ name, failingSince }) => ({
          labels: { witness: name },
          value: failingSince ? (now().getTime() - failingSince.getTime()) / 1_000 : 0,
        }));
      },
    },
  ];
}
