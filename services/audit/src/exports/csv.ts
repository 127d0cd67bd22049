import type { AuditEventView } from "@medvault/contracts";

type Cell = string | number | boolean | null;

/** The columns of an export, in their order. */
const COLUMNS: Readonly<Record<string, (event: AuditEventView) => Cell>> = {
  index: (event) => event.index,
  id: (event) => event.id,
  time: (event) => event.time,
  type: (event) => event.type,
  producer: (event) => event.producer,
  actorId: (event) => event.actor?.id ?? null,
  actorName: (event) => event.actor?.name ?? null,
  actorRole: (event) => event.actor?.role ?? null,
  patientIds: (event) => event.patientIds.join(" "),
  subject: (event) => event.subject,
  action: (event) => event.action,
  outcome: (event) => event.outcome,
  reason: (event) => event.decision?.reason ?? null,
  purpose: (event) => event.purpose,
  ip: (event) => event.ip,
  userAgent: (event) => event.userAgent,
  requestId: (event) => event.requestId,
  damaged: (event) => event.damaged,
};

/** The first line of an export. */
export const CSV_HEADER = `${Object.keys(COLUMNS).join(",")}\r\n`;

/** An event as one line of CSV (RFC 4180). */
export function csvLine(event: AuditEventView): string {
  return `${Object.values(COLUMNS)
    .map((column) => cell(column(event)))
    .join(",")}\r\n`;
}

function cell(value: Cell): string {
  if (value === null) return "";
  // Spreadsheets run cells that begin so, and user agents hold anything (OWASP, "CSV Injection").
  const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
