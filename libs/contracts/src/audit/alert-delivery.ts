import { z } from "zod";
import { Id } from "../ids.ts";

/**
 * The domain event by which audit tells auth of an alert, so that auth mails it: the alert's id is
 * in its subject (`alert/<id>`), its details are an AlertAnnouncement.
 */
export const ALERT_ANNOUNCED = "medvault.audit.alert.announced.v1";

/** What a mail says of an alert: codes alone. `test`: nothing happened. */
export const AlertAnnouncement = z.object({
  change: z.enum(["opened", "changed", "test"]),
  rule: z.string().max(60),
  severity: z.string().max(20),
  state: z.string().max(20),
  openedAt: z.iso.datetime(),
  count: z.number().int(),
});
export type AlertAnnouncement = z.infer<typeof AlertAnnouncement>;

/**
 * What came of a test by each channel: sent (the receiver took it), failed (`reason` is a code), or
 * queued (auth sends mails by itself). A channel that is not configured is not among them.
 */
export const AlertTestResult = z.object({
  id: Id,
  channels: z.array(
    z.object({
      channel: z.enum(["mail", "webhook", "syslog"]),
      outcome: z.enum(["sent", "failed", "queued"]),
      reason: z.string().nullable(),
    }),
  ),
});
export type AlertTestResult = z.infer<typeof AlertTestResult>;
