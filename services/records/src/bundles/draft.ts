import { newId } from "@medvault/contracts";
import { canonicalJson } from "@medvault/crypto";
import { type KeptResource, keptResources } from "../fhir/kept-resource.table.ts";
import { medicalRecords, pastVersions } from "../medical-records/record.table.ts";
import { type MedicalRecord, pastVersion } from "../medical-records/record.ts";
import { type PatientOwned, pastRow, type Row } from "../resources/patient-owned.ts";
import type { PatientTable } from "../resources/patient-table.ts";
import type { Resource } from "../resources/resource.ts";
import { rowVersions } from "../resources/row-version.table.ts";
import type { Result } from "./answer.ts";
import type { Known, Planned } from "./plan.ts";

/** A row to be written, not sealed yet. */
export interface Draft {
  readonly table: PatientTable<Row>;
  readonly value: Row;
  /** The wrapped key of its subject. */
  readonly subjectKey: Buffer;
  /** The next revision of a row that is there. */
  readonly isNext: boolean;
  /** A version of a record, to be signed. */
  readonly isUnsigned: boolean;
}

/** What becomes of one resource: the rows to be written, and the one that shows it from then on. */
export interface Change {
  readonly result: Result;
  readonly drafts: readonly Draft[];
  /** The row that shows it; null: none. */
  readonly row: { readonly table: PatientTable<Row>; readonly value: Row } | null;
  /** The row in whose place that one is. */
  readonly former: { readonly id: string; readonly isKept: boolean } | null;
}

/** A resource of a plan, and what it is read as: null is kept as it came. */
export interface Item {
  readonly known: Known | Planned;
  readonly table: Resource<Row> | null;
}

/** Who imports, when, and for whom. */
export interface By {
  readonly id: string;
  readonly now: Date;
  readonly subjectId: string;
  readonly subjectKey: Buffer;
  /** Whether the subject is a patient; else who loads a bundle without one. */
  readonly isPatient: boolean;
}

interface Place {
  readonly table: PatientTable<Row>;
  readonly value: Row;
  readonly subjectKey: Buffer;
}

/** A resource that is stored for the first time. `id` is a patient's own. */
export function created(item: Item, by: By, id = newId()): Change {
  const { table } = item;
  const value = table ? made(item, by, { id, rev: 1, createdAt: by.now }) : keptAs(item, by, { id, rev: 1 });
  const draft = { table: table ?? kept, value, subjectKey: by.subjectKey, isNext: false };
  return {
    result: table ? "created" : "kept",
    drafts: [{ ...draft, isUnsigned: table === records }],
    row: { table: draft.table, value },
    former: null,
  };
}

/**
 * A resource that says something else than the row that shows it. A fact that is none any more
 * leaves its record as `revoke` says, and is kept as it came; what becomes one leaves what was
 * kept.
 */
export function changed(item: Item, present: Place, by: By): Change {
  const { table } = item;
  if (table && table === present.table) return renewed(table, item, present, by);
  const first = created(item, by);
  const former = { id: present.value.id, isKept: present.table === kept };
  if (present.table === kept) {
    // Of nobody: there is no chart that would keep its versions, so the former one stays as it is.
    if (!by.isPatient) return { ...first, result: "updated", former: { ...former, isKept: false } };
    if (!table) return keptAnew(item, present, by);
    return { ...first, result: "updated", drafts: [...first.drafts, past(present)], former };
  }
  const resource = present.table as Resource<Row>;
  const next = resource.revoke(present.value, item.known.original.resource, by.now);
  const revoked = next ? replaced(present, resource.authored(next, present.value, by.id), false) : [];
  return { ...first, result: "updated", drafts: [...first.drafts, ...revoked], former };
}

function renewed(table: Resource<Row>, item: Item, present: Place, by: By): Change {
  const former = present.value as PatientOwned;
  const { id, createdAt } = former;
  const next = table.renew(made(item, ofRow(present, by), { id, rev: former.rev + 1, createdAt }), former);
  if (next === null) return { result: "decided", drafts: [], row: present, former: null };
  if (saysTheSame(table, next, former)) return { result: "existing", drafts: [], row: present, former: null };
  const value = { ...table.authored(next, former, by.id), rev: former.rev + 1, updatedAt: by.now };
  const drafts = replaced(present, value, table === records);
  return { result: "updated", drafts, row: { table, value }, former: null };
}

/** Whether neither what is shown nor the original is another. */
function saysTheSame({ fields }: Resource<Row>, next: Row, former: Row): boolean {
  const content = (row: Row) => JSON.stringify(fields.map((field) => row[field as keyof Row]));
  const original = (row: Row) => (row as PatientOwned).source?.resource ?? null;
  return (
    content(next) === content(former) && canonicalJson(original(next)) === canonicalJson(original(former))
  );
}

function keptAnew(item: Item, present: Place, by: By): Change {
  const { id, rev } = present.value;
  const value = keptAs(item, ofRow(present, by), { id, rev: rev + 1 });
  return {
    result: "updated",
    drafts: replaced(present, value, false),
    row: { table: kept, value },
    former: null,
  };
}

/** A row stays whose it is, though its chart was merged into another. */
const ofRow = ({ table, value }: Place, by: By): By => ({ ...by, subjectId: table.patientOf(value) });

/** The next revision of a row, and the version that it replaces; hiding a record makes none. */
function replaced(present: Place, value: Row, isUnsigned: boolean): Draft[] {
  const { table, subjectKey } = present;
  const next: Draft = { table, value, subjectKey, isNext: true, isUnsigned };
  const isHiding = table === records && !isUnsigned;
  return isHiding ? [next] : [next, past(present)];
}

/** What a row was. */
function past({ table, value, subjectKey }: Place): Draft {
  const own = { subjectKey, isNext: false, isUnsigned: false };
  if (table === records) {
    const version = pastVersion(value as MedicalRecord, newId());
    return { ...own, table: pastVersions as unknown as PatientTable<Row>, value: version };
  }
  const row = pastRow(table.noun, table.patientOf(value), value, newId());
  return { ...own, table: rowVersions as unknown as PatientTable<Row>, value: row };
}

function made({ known }: Item, by: By, row: Pick<PatientOwned, "id" | "rev" | "createdAt">): Row {
  const { original: source, make } = known as Planned;
  return make({ ...row, patientId: by.subjectId, updatedAt: by.now, source }, by.id);
}

const keptAs = ({ known }: Item, { subjectId, now }: By, row: Row): KeptResource => ({
  ...row,
  subjectId,
  createdAt: now,
  ...known.original,
});

const kept = keptResources as unknown as PatientTable<Row>;
const records = medicalRecords as unknown as PatientTable<Row>;
