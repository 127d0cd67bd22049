import type { AuditFilter } from "@medvault/contracts";
import type { LogRow } from "../log/log.store.ts";

/**
 * Whether a row passes the filter, as the statements of queries decide it (events/event.store.ts):
 * a test holds one against the other.
 */
export function passes(filter: AuditFilter): (row: LogRow) => boolean {
  const { patientId, from, to } = filter;
  // A row has whole milliseconds: what is asked for between two of them begins with the next.
  const [since, until] = [from && instantOf(from), to && instantOf(to)];
  const patient = patientId?.toLowerCase();
  const equal = EQUAL.filter((name) => filter[name] !== undefined);
  return (row) =>
    equal.every((name) => row[name] === filter[name]) &&
    (patient === undefined || row.patientIds.includes(patient)) &&
    (since === undefined || row.occurredAt >= Number(since)) &&
    (until === undefined || row.occurredAt < Number(until));
}

const EQUAL = ["actorId", "subject", "type", "action", "outcome", "ip", "requestId"] as const;

/** The first whole millisecond that is not before `time`. */
function instantOf(time: string): number {
  const below = /\.\d{3}(\d+)/.exec(time)?.[1] ?? "";
  return Date.parse(time) + (/[1-9]/.test(below) ? 1 : 0);
}
