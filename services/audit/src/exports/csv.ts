import type { AuditEventView } from "@medvault/contracts";

const COLUMNS = [
  "index",
  "id",
  "time",
  "type",
  "producer",
  "actorId",
  "actorRole",
  "patientIds",
  "subject",
  "action",
  "outcome",
  "reason",
  "purpose",
  "ip",
  "userAgent",
  "requestId",
  "damaged",
] as const;

/** The first line of an export. */
export const CSV_HEADER = `${COLUMNS.join(",")}\r\n`;

/** An event as one line of CSV (RFC 4180). */
export function csvLine(event: AuditEventView): string {
  const values: Record<(typeof COLUMNS)[number], string | number | boolean | null> = {
    index: event.index,
    id: event.id,
    time: event.time,
    type: event.type,
    producer: event.producer,
    actorId: event.actor?.id ?? null,
    actorRole: event.actor?.role ?? null,
    patientIds: event.patientIds.join(" "),
    subject: event.subject,
    action: event.action,
    outcome: event.outcome,
    reason: event.decision?.reason ?? null,
    purpose: event.purpose,
    ip: event.ip,
    userAgent: event.userAgent,
    requestId: event.requestId,
    damaged: event.damaged,
  };
  return `${COLUMNS.map((name) => cell(values[name])).join(",")}\r\n`;
}

function cell(value: string | number | boolean | null): string {
  if (value === null) return "";
  // A spreadsheet runs cells that begin so, and a user agent is anything that a client sent (OWASP,
  // "CSV Injection").
  const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
