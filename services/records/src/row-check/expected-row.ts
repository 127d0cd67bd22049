import { createHmac } from "node:crypto";
import { ROWS_BASED, type RowEvent } from "@medvault/contracts";

/** What the log says that a row was left as. `sha256` null: it was deleted or erased. */
export interface ExpectedRow {
  readonly kind: string;
  readonly id: string;
  readonly patientId: string | null;
  /** Of a former version: the row whose it is. */
  readonly ofRow: string | null;
  readonly rev: number;
  readonly sha256: string | null;
}

/** What an event does to the expectations, in its order. */
export type Told =
  | { readonly what: "left"; readonly row: ExpectedRow }
  /** Its versions go with it. */
  | { readonly what: "deleted"; readonly row: ExpectedRow; readonly withVersions: boolean }
  | { readonly what: "erased"; readonly patientIds: readonly string[] }
  /** Of many rows: `isExact` of a restore, which sets revisions back. */
  | {
      readonly what: "listed";
      readonly sha256: string;
      readonly count: number;
      readonly eventId: string;
      readonly isExact: boolean;
    }
  /** Of many rows that nothing names: an import or a restore from before there were lists. */
  | { readonly what: "unlisted"; readonly isRestore: boolean }
  | { readonly what: "based" };

/** A revision above each that a row can have: what is erased never comes again. */
export const NEVER_AGAIN = 2_147_483_647;

const TYPE = /^medvault\.[a-z]+\.([a-z-]+)\.([a-z_-]+)\.v1$/;
const HASH = /^[0-9a-f]{64}$/;
const VERSION_KINDS: Readonly<Record<string, string>> = { record: "record-version" };
/** Deleted ones leave their versions. */
const KEEPS_VERSIONS = "fhir-resource";

/** What an event of the log tells of rows of these kinds. */
export function toldBy(event: RowEvent, kinds: ReadonlySet<string>): Told[] {
  const [, noun = "", verb = ""] = TYPE.exec(event.type) ?? [];
  const { details, patientIds } = event;
  if (event.type === ROWS_BASED) return [{ what: "based" }];
  if (noun === "patient" && verb === "erased") return [{ what: "erased", patientIds }];
  if (noun === "fhir" && verb === "imported")
    return [listed(event, details.boxesSha256, details.boxes, false)];
  if (noun === "backup")
    return verb === "restored" ? [listed(event, details.rowsSha256, details.rowsListed, true)] : [];
  const [kind = "", id = ""] = event.subject.split("/");
  const patientId = patientIds[0] ?? null;
  const told: Told[] = [];
  const { rev, boxSha256, versionId, versionSha256 } = details;
  if (kinds.has(kind) && typeof rev === "number") {
    const row = { kind, id, patientId, ofRow: null, rev };
    if (isHash(boxSha256)) told.push({ what: "left", row: { ...row, sha256: boxSha256 } });
    else if (verb === "deleted") {
      const withVersions = kind !== KEEPS_VERSIONS;
      told.push({ what: "deleted", row: { ...row, sha256: null }, withVersions });
    }
  }
  if (isHash(versionSha256) && typeof versionId === "string") {
    const row = { kind: VERSION_KINDS[kind] ?? "row-version", id: versionId, patientId, ofRow: id };
    told.push({ what: "left", row: { ...row, rev: 1, sha256: versionSha256 } });
  }
  return told;
}

const isHash = (value: unknown): value is string => typeof value === "string" && HASH.test(value);

function listed({ id }: RowEvent, sha256: unknown, count: unknown, isExact: boolean): Told {
  // Where it does not say of how many, it was told before there were lists.
  if (typeof count !== "number" || !isHash(sha256)) return { what: "unlisted", isRestore: isExact };
  return { what: "listed", sha256, count, eventId: id, isExact };
}

/** A row as a list has it: `of` is what the list calls its kind. */
export function lineOf({ kind, id, rev, sha256, patientId, ofRow }: ExpectedRow): string {
  return [kind, id, rev, sha256 ?? "-", patientId ?? "-", ofRow ?? "-"].join(" ");
}

/** Null for what is no line. */
export function rowOfLine(line: string, kindOf: (name: string) => string | undefined): ExpectedRow | null {
  const [name = "", id = "", rev = "", sha256 = "", patientId = "", ofRow = ""] = line.split(" ");
  const kind = kindOf(name);
  if (kind === undefined) return null;
  const orNull = (text: string) => (text === "-" ? null : text);
  return {
    kind,
    id,
    rev: Number(rev),
    sha256: orNull(sha256),
    patientId: orNull(patientId),
    ofRow: orNull(ofRow),
  };
}

/** By which an entry of ours is known again: the key is not in Postgres. */
export function macOf(key: Buffer, ...parts: readonly (string | number | boolean | null)[]): Buffer {
  return createHmac("sha256", key).update(JSON.stringify(parts)).digest();
}

export const macOfRow = (key: Buffer, row: ExpectedRow): Buffer => macOf(key, "expected", lineOf(row));
