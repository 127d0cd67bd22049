import { claims } from "./claims/claim.table.ts";
import { fhirResources } from "./fhir/fhir.table.ts";
import { medicalRecords, pastVersions } from "./medical-records/record.table.ts";
import { patients } from "./patients/patient.table.ts";
import { prescriptions } from "./prescriptions/prescription.table.ts";

/** Every declared table of this service: what a field policy may change, and `npm run keys -- reseal` seals anew. */
export const sealedTables = [
  patients,
  medicalRecords,
  pastVersions,
  prescriptions,
  claims,
  fhirResources,
] as const;

/** Every table of keyed tokens: what `npm run keys -- reindex` lays another key over. */
export { tokenTables } from "./fhir/token-tables.ts";

/** How events call one row of each. */
export const rowKinds = {
  patients: "patient",
  medical_records: "record",
  medical_record_versions: "record-version",
  prescriptions: "prescription",
  claims: "claim",
  fhir_resources: "fhir-resource",
};
