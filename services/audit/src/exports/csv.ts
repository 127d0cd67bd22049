import type { AuditEventView } from "@medvault/contracts";
import type { ExportEnd } from "./format.ts";

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

/** What a patient is told of who used their chart: nothing of where staff sat. */
const TOLD = ["time", "actorName", "actorRole", "action", "outcome", "purpose", "reason", "type", "index"];

/** Which columns: all, or those that a patient is told. */
export type CsvColumns = "all" | "told";
const namesOf = (columns: CsvColumns) => (columns === "told" ? TOLD : Object.keys(COLUMNS));

/** The first line of an export. */
export const csvHeader = (columns: CsvColumns = "all"): string => `${namesOf(columns).join(",")}\r\n`;

/** An event as one line of CSV (RFC 4180). */
export function csvLine(event: AuditEventView, columns: CsvColumns = "all"): string {
  const cells = namesOf(columns).map((name) => cell(COLUMNS[name]?.(event) ?? null));
  return `${cells.join(",")}\r\n`;
}

/** Where the export ended, as a row of its own, of which only `?proof=1` has one. */
export function csvEnd({ first, end, count, time, checkpoint, proof }: ExportEnd): string {
  const said = { time: time.toISOString(), type: "medvault.audit.export.end", subject: proof };
  const told = { ...said, reason: checkpoint ?? "", action: `${count} of entries ${first} to ${end - 1}` };
  const cells = Object.keys(COLUMNS).map((name) => cell((told as Record<string, string>)[name] ?? null));
  return `${cells.join(",")}\r\n`;
}

function cell(value: Cell): string {
  if (value === null) return "";
  // Spreadsheets run cells that begin so, and user agents hold anything (OWASP, "CSV Injection").
  const text = typeof value === "string" && /^[=+\-@\t\r\n]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
