import type { Job } from "@medvault/runtime";
import type { AuthContext } from "../context.ts";
import { deleteReminders } from "./reminder.store.ts";

/** Longer than anything is announced ahead, and longer than an event can travel. */
const KEEP_MS = 190 * 24 * 3600_000;

export const reminderJobs = (ctx: AuthContext): Job[] => [
  {
    name: "sweep-reminders",
    every: 3600_000,
    exclusive: true,
    run: () => deleteReminders(ctx.pool, new Date(ctx.now().getTime() - KEEP_MS)),
  },
];
