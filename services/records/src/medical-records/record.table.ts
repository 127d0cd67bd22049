import {
  type MedicalRecordListQuery,
  type MedicalRecordSearch,
  MedicalRecordView,
} from "@medvault/contracts";
import { normalise } from "@medvault/crypto";
import { isSameSystem } from "../fhir/code-system.ts";
import { codingOf } from "../fhir/coding.ts";
import { layRecord } from "../fhir/lay-record.ts";
import { mapRecord } from "../fhir/map-record.ts";
import { fhirPair } from "../fhir/pair.ts";
import { recordResource } from "../fhir/record-resource.ts";
import { asSaid, undatedMark } from "../resources/as-said.ts";
import { OWNED, patientTable } from "../resources/patient-table.ts";
import { resource } from "../resources/resource.ts";
import { UNSIGNED } from "./integrity.ts";
import { hidden, isAbout, type MedicalRecord, occurred, type PastVersion, renewed } from "./record.ts";

/** What a version is, present or past. */
const versionColumns = {
  ...OWNED,
  authorId: { store: "uuid", content: false },
  version: { store: "int", content: false },
  type: { store: "sealed", content: true, fhir: "resourceType" },
  title: { store: "sealed", content: true, fhir: "code.text | vaccineCode.text | description" },
  body: {
    store: "sealed",
    content: true,
    fhir: "note.text | valueString | conclusion | content.attachment.data",
  },
  code: {
    store: "sealed",
    content: true,
    fhir: "code.coding.code | vaccineCode.coding.code | type.coding.code",
  },
  codeSystem: { store: "sealed", content: false },
  codeDisplay: { store: "sealed", content: false },
  occurredAt: {
    store: "timestamptz",
    content: true,
    fhir: "recordedDate | effectiveDateTime | performedDateTime | occurrenceDateTime | date",
  },
  said: { store: "sealed", content: false },
  integrity: { store: "sealed", content: false },
} as const;

type Filters = MedicalRecordListQuery & MedicalRecordSearch;

export const medicalRecords = resource<MedicalRecord, MedicalRecordView, Filters>({
  noun: "record",
  plural: "records",
  table: "medical_records",
  columns: { ...versionColumns, hiddenAt: { store: "timestamptz", content: false } },
  hiddenBy: "hiddenAt",
  closable: { type: "record" },
  permissions: { read: "record:read", write: "record:write", delete: "record:delete" },
  view: MedicalRecordView,
  order: "occurredAt",
  derived: {
    occurredAt: (record) => asSaid(record, "occurredAt"),
    code: codingOf,
    undated: (record) => undatedMark(record, "occurredAt"),
  },
  list: {
    filters: {
      type: { opened: "type" },
      q: { opened: isAbout },
      code: { opened: ({ code }, asked) => code !== null && normalise(code) === normalise(asked) },
      system: { opened: ({ codeSystem }, asked) => isSameSystem(codeSystem, asked) },
    },
    isOfPatient: true,
  },
  details: ({ version }) => ({ version }),
  renew: renewed,
  revoke: (former, _original, now) => hidden(former, now),
  fhir: fhirPair({
    read: mapRecord,
    // Not signed yet: that happens for a whole import at a time.
    make: ({ knownAt, occurredAt, ...mapped }, made, by) => ({
      ...made,
      ...mapped,
      ...occurred(occurredAt, knownAt ?? made.createdAt),
      authorId: by,
      version: 1,
      hiddenAt: null,
      integrity: UNSIGNED,
    }),
    write: recordResource,
    lay: layRecord,
  }),
});

export const pastVersions = patientTable<PastVersion>({
  noun: "record-version",
  table: "medical_record_versions",
  closable: { type: "record", id: "recordId" },
  columns: { ...versionColumns, recordId: { store: "uuid", content: false } },
});
