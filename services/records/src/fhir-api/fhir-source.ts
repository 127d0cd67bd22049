import type { ResourceAction } from "@medvault/contracts";
import { appointments } from "../appointments/appointment.table.ts";
import { claims } from "../claims/claim.table.ts";
import { keptResources } from "../fhir/kept-resource.table.ts";
import { medicalRecords } from "../medical-records/record.table.ts";
import { patients } from "../patients/patient.table.ts";
import { prescriptions } from "../prescriptions/prescription.table.ts";
import type { Row } from "../resources/patient-owned.ts";
import type { PatientTable } from "../resources/patient-table.ts";
import type { Resource } from "../resources/resource.ts";

/** A table in which resources of a type lie, and under which permission they are read. */
export interface FhirSource {
  table: PatientTable<Row>;
  permission: ResourceAction;
  /** Null: kept as they came. */
  resource: Resource<Row> | null;
}

const sourceOf = (one: unknown): FhirSource => {
  const resource = one as Resource<Row>;
  return { table: resource, permission: resource.permissions.read, resource };
};
const kept: FhirSource = {
  table: keptResources as unknown as PatientTable<Row>,
  permission: "fhir:export",
  resource: null,
};

/** Types that never are a medical record. */
const WITHOUT_RECORDS = new Set(["Organization", "Practitioner", "PractitionerRole", "Location", "Coverage"]);

/** Where resources of a type lie: in a table of their own, or among what was kept as it came. */
export function sourcesOf(type: string): readonly FhirSource[] {
  if (type === "Patient") return [sourceOf(patients)];
  if (type === "MedicationRequest") return [sourceOf(prescriptions), kept];
  if (type === "Claim") return [sourceOf(claims), kept];
  if (type === "Appointment") return [sourceOf(appointments), kept];
  return WITHOUT_RECORDS.has(type) ? [kept] : [sourceOf(medicalRecords), kept];
}
