import { appointments } from "../appointments/appointment.table.ts";
import { claims } from "../claims/claim.table.ts";
import { medicalRecords } from "../medical-records/record.table.ts";
import { prescriptions } from "../prescriptions/prescription.table.ts";
import type { Row } from "../resources/patient-owned.ts";
import type { Resource } from "../resources/resource.ts";

/** What is kept about a patient, in the order in which imports store and exports show it. */
export const clinicalResources: readonly Resource<Row>[] = [
  medicalRecords,
  prescriptions,
  claims,
  appointments,
];
