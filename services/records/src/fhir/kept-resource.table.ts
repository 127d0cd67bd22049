import { patientTable } from "../resources/patient-table.ts";
import type { FhirResource } from "./resource.ts";

/** A resource that has no room of its own yet, as it came. */
export interface KeptResource {
  id: string;
  rev: number;
  /** The patient, or who loaded a bundle that has none. */
  subjectId: string;
  createdAt: Date;
  fullUrl: string | null;
  resource: FhirResource;
}

export const keptResources = patientTable<KeptResource>({
  noun: "fhir-resource",
  table: "fhir_resources",
  subject: "subjectId",
  closable: { type: "record" },
  columns: {
    subjectId: { store: "uuid", content: false },
    createdAt: { store: "timestamptz", content: false },
    fullUrl: { store: "sealed", content: false },
    resource: { store: "sealed", content: false },
  },
});
