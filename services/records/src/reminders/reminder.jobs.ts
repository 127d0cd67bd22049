import { type Job, looked, type Metric } from "@medvault/runtime";
import type { Context } from "../context.ts";
import { announceReminders } from "./reminder.service.ts";
import { countDue } from "./reminder.store.ts";
import { dueWindow, REMINDER_KINDS } from "./reminder.ts";

const EVERY_MS = 15_000;

export const reminderJobs = (context: Context): Job[] => [
  {
    name: "announce-reminders",
    every: EVERY_MS,
    exclusive: true,
    run: async ({ signal }) => void (await announceReminders(context, new Date(), signal)),
  },
];

export function reminderMetrics({ pool, clinic, reminderDays }: Context): Metric[] {
  const counts = looked(() =>
    Promise.all(
      REMINDER_KINDS.map(async (kind) => ({
        labels: { kind },
        value: await countDue(pool, kind, dueWindow(kind, new Date(), clinic.timeZone, reminderDays)),
      })),
    ),
  );
  return [
    {
      name: "reminders_due",
      help: "What is due soon and was not announced yet; at most 10,000 of a kind are counted.",
      labelNames: ["kind"],
      read: () => counts(),
    },
  ];
}
