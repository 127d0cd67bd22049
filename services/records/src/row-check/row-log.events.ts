import { auditEvent, type NewEvent, ROWS_ASKED, ROWS_BASED } from "@medvault/contracts";

const SUBJECT = "row-check";

/** Whoever has the ticket with this hash reads what the log says of rows. */
export const askedEvent = (ticketSha256: string): NewEvent =>
  auditEvent(null, {
    type: ROWS_ASKED,
    subject: SUBJECT,
    action: "row:check",
    details: { ticketSha256 },
  });

/** Rows of which the log said nothing are watched from now on as they were found. */
export const basedEvent = (counts: Readonly<Record<string, number>>): NewEvent =>
  auditEvent(null, { type: ROWS_BASED, subject: SUBJECT, action: "row:check", details: { ...counts } });
