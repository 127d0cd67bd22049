import { type PrescriptionListQuery, PrescriptionView } from "@medvault/contracts";
import { codingOf } from "../fhir/coding.ts";
import { layPrescription } from "../fhir/lay-prescription.ts";
import { mapPrescription, prescriptionResource } from "../fhir/map-prescription.ts";
import { fhirPair } from "../fhir/pair.ts";
import { asSaid, undatedMark } from "../resources/as-said.ts";
import { AUTHORED, OWNED } from "../resources/patient-table.ts";
import { resource } from "../resources/resource.ts";
import { authored, isDated, lasting, type Prescription, revoked } from "./prescription.ts";

export const prescriptions = resource<Prescription, PrescriptionView, PrescriptionListQuery>({
  noun: "prescription",
  table: "prescriptions",
  closable: { type: "prescription" },
  columns: {
    ...OWNED,
    ...AUTHORED,
    prescribedBy: { store: "uuid", content: false },
    createdBy: { store: "sealed", content: false },
    medication: {
      store: "sealed",
      search: true,
      content: true,
      fhir: "medicationCodeableConcept.text",
    },
    code: { store: "sealed", search: true, content: true, fhir: "medicationCodeableConcept.coding.code" },
    codeSystem: { store: "sealed", content: false },
    codeDisplay: { store: "sealed", search: true, content: false },
    dosage: { store: "sealed", search: false, content: true, fhir: "dosageInstruction.text" },
    frequency: { store: "sealed", search: false, content: true, fhir: "dosageInstruction.timing.code.text" },
    notes: { store: "sealed", search: false, content: true, fhir: "note.text" },
    startDate: { store: "date", content: true, fhir: "dispenseRequest.validityPeriod.start" },
    endDate: { store: "date", content: true, fhir: "dispenseRequest.validityPeriod.end" },
    said: { store: "sealed", content: false },
    refills: { store: "sealed", content: true, fhir: "dispenseRequest.numberOfRepeatsAllowed" },
    status: { store: "text", content: true, fhir: "status" },
  },
  permissions: {
    read: "prescription:read",
    write: "prescription:write",
    delete: "prescription:delete",
    search: "prescription:search",
  },
  view: PrescriptionView,
  author: authored,
  revoke: revoked,
  order: "startDate",
  list: {
    filters: {
      from: { column: "startDate", is: ">=", and: isDated },
      to: { column: "startDate", is: "<=", and: isDated },
      status: { column: "status", is: "=" },
    },
  },
  derived: {
    code: codingOf,
    startDate: (prescription) => asSaid(prescription, "startDate"),
    endDate: (prescription) => asSaid(prescription, "endDate"),
    undated: (prescription) => undatedMark(prescription, "startDate"),
  },
  fhir: fhirPair({
    read: mapPrescription,
    make: ({ startDate, endDate, ...mapped }, made, by) => ({
      ...made,
      ...mapped,
      ...lasting(startDate, endDate, made.createdAt.toISOString()),
      prescribedBy: by,
      createdBy: by,
      updatedBy: by,
    }),
    write: prescriptionResource,
    lay: layPrescription,
  }),
});
