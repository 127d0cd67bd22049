import type { PrescriptionView } from "@medvault/contracts";
import type { Original } from "../fhir/resource.ts";
import type { Stored } from "../resources/patient-owned.ts";

export interface Prescription extends Stored<PrescriptionView, "createdAt" | "updatedAt"> {
  /** The FHIR resource that it came from, until it is changed here. */
  source: Original | null;
}
