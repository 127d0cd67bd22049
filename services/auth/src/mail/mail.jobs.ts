import { type Job, looked, type Metric } from "@medvault/runtime";
import type { AuthContext } from "../context.ts";
import { countMails, deleteParkedMails } from "./mail-queue.store.ts";

const KEEP_PARKED_MS = 30 * 24 * 3600_000;

export const mailJobs = (ctx: AuthContext): Job[] => [
  // What is put in line here is sent at once: this finds retries, and what others left.
  { name: "send-mails", every: 1_000, run: async () => ctx.mails.wake() },
  {
    name: "sweep-parked-mails",
    every: 60_000,
    exclusive: true,
    run: () => deleteParkedMails(ctx.pool, new Date(ctx.now().getTime() - KEEP_PARKED_MS)),
  },
];

export function mailMetrics(ctx: AuthContext): Metric[] {
  const mails = looked(() => countMails(ctx.pool));
  return [
    {
      name: "auth_mails",
      help: "Mails that wait to be sent, and those that were given up.",
      labelNames: ["state"],
      async read() {
        const { waiting, parked } = (await mails()) ?? {};
        if (waiting === undefined || parked === undefined) return undefined;
        return [
          { labels: { state: "waiting" }, value: waiting },
          { labels: { state: "parked" }, value: parked },
        ];
      },
    },
  ];
}
