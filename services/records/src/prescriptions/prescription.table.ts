import { type PrescriptionListQuery, PrescriptionView } from "@medvault/contracts";
import { mapPrescription, prescriptionResource } from "../fhir/map-prescription.ts";
import { fhirPair } from "../fhir/pair.ts";
import { AUTHORED, OWNED } from "../resources/patient-table.ts";
import { resource } from "../resources/resource.ts";
import { authored, type Prescription } from "./prescription.ts";

export const prescriptions = resource<Prescription, PrescriptionView, PrescriptionListQuery>({
  noun: "prescription",
  table: "prescriptions",
  columns: {
    ...OWNED,
    ...AUTHORED,
    prescribedBy: { store: "uuid", content: false },
    createdBy: { store: "sealed", notText: true, content: false },
    medication: {
      store: "sealed",
      index: "substring",
      content: true,
      fhir: "medicationCodeableConcept.text",
    },
    dosage: { store: "sealed", content: true, fhir: "dosageInstruction.text" },
    frequency: { store: "sealed", content: true, fhir: "dosageInstruction.timing.code.text" },
    notes: { store: "sealed", content: true, fhir: "note.text" },
    startDate: { store: "date", content: true, fhir: "dispenseRequest.validityPeriod.start" },
    endDate: { store: "date", content: true, fhir: "dispenseRequest.validityPeriod.end" },
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
  order: "startDate",
  list: {
    filters: {
      from: { column: "startDate", is: ">=" },
      to: { column: "startDate", is: "<=" },
      status: { column: "status", is: "=" },
    },
  },
  fhir: fhirPair({
    read: mapPrescription,
    make: (mapped, made, by) => ({
      ...made,
      ...mapped,
      startDate: mapped.startDate ?? made.createdAt.toISOString().slice(0, 10),
      prescribedBy: by,
      createdBy: by,
      updatedBy: by,
    }),
    write: prescriptionResource,
  }),
});
