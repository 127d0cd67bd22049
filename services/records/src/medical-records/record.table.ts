import { type MedicalRecordListQuery, MedicalRecordView } from "@medvault/contracts";
import { mapRecord } from "../fhir/map-record.ts";
import { fhirPair } from "../fhir/pair.ts";
import { recordResource } from "../fhir/record-resource.ts";
import { OWNED, patientTable } from "../resources/patient-table.ts";
import { resource } from "../resources/resource.ts";
import { UNSIGNED } from "./integrity.ts";
import type { MedicalRecord, PastVersion } from "./record.ts";

/** What a version is, present or past. */
const versionColumns = {
  ...OWNED,
  authorId: { store: "uuid", content: false },
  version: { store: "int", content: false },
  type: { store: "sealed", fewValues: true, content: true, fhir: "resourceType" },
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
  occurredAt: {
    store: "timestamptz",
    content: true,
    fhir: "recordedDate | effectiveDateTime | performedDateTime | occurrenceDateTime | date",
  },
  integrity: { store: "sealed", notText: true, content: false },
} as const;

export const medicalRecords = resource<MedicalRecord, MedicalRecordView, MedicalRecordListQuery>({
  noun: "record",
  plural: "records",
  table: "medical_records",
  columns: { ...versionColumns, hiddenAt: { store: "timestamptz", content: false } },
  hiddenBy: "hiddenAt",
  permissions: { read: "record:read", write: "record:write", delete: "record:delete" },
  view: MedicalRecordView,
  order: "occurredAt",
  list: {
    filters: { type: { opened: "type" } },
    isOfPatient: true,
  },
  details: ({ version }) => ({ version }),
  fhir: fhirPair({
    read: mapRecord,
    // Not signed yet: that happens for a whole import at a time.
    make: (mapped, made, by) => ({
      ...made,
      ...mapped,
      occurredAt: mapped.occurredAt ?? made.createdAt,
      authorId: by,
      version: 1,
      hiddenAt: null,
      integrity: UNSIGNED,
    }),
    write: recordResource,
  }),
});

export const pastVersions = patientTable<PastVersion>({
  noun: "record-version",
  table: "medical_record_versions",
  columns: { ...versionColumns, recordId: { store: "uuid", content: false } },
});
