import { type CloudEvent, ROWS_ASKED, ROWS_BASED, type RowEvent } from "@medvault/contracts";

/** By these details an event says what it left of a row, or of many. */
const TELLING = ["boxSha256", "boxesSha256", "rowsSha256", "versionSha256"] as const;
const RESTORED = "medvault.backup.backup.restored.v1";
const TAKEN_AWAY = /^medvault\.records\.([a-z-]+\.deleted|patient\.erased|fhir\.imported)\.v1$/;

/** What an event tells records of its rows; null: nothing. */
export function rowEventOf(event: CloudEvent, idx: number): RowEvent | null {
  const { type, data } = event;
  const isOurs = type.startsWith("medvault.records.") && event.source === "/medvault/records";
  const isRestore = type === RESTORED && event.source === "/medvault/backup";
  if (!isOurs && !isRestore) return null;
  const details = data.details ?? {};
  const tells =
    isRestore ||
    TAKEN_AWAY.test(type) ||
    type === ROWS_ASKED ||
    type === ROWS_BASED ||
    TELLING.some((name) => Object.hasOwn(details, name));
  if (!tells || data.outcome !== "success") return null;
  const { id, time, subject } = event;
  return { idx, id, time, type, subject, patientIds: data.patientIds, details };
}
