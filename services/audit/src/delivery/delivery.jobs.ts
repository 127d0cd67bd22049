import { type Job, looked, type Metric } from "@medvault/runtime";
import type { Context } from "../context.ts";
import { sendDue, tidyDeliveries } from "./delivery.service.ts";
import { countDeliveries } from "./delivery.store.ts";

export const deliveryJobs = (context: Context): Job[] => [
  {
    name: "deliver-alerts",
    every: 1_000,
    exclusive: true,
    run: ({ signal }) => sendDue(context, signal),
  },
  {
    name: "tidy-alert-deliveries",
    every: 60_000,
    exclusive: true,
    run: ({ signal }) => tidyDeliveries(context, signal),
  },
];

export function deliveryMetrics({ pool }: Context): Metric[] {
  const counted = looked(() => countDeliveries(pool));
  return [
    {
      name: "audit_alert_deliveries",
      help: "Deliveries of alerts that wait to be sent, and those that were given up.",
      labelNames: ["channel", "state"],
      async read() {
        return (await counted())?.flatMap(({ channel, waiting, givenUp }) => [
          { labels: { channel, state: "waiting" }, value: waiting },
          { labels: { channel, state: "given_up" }, value: givenUp },
        ]);
      },
    },
  ];
}
